import { JazzReactProvider } from "jazz-tools/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App.js";
import { TodoAccount } from "./schema.js";
import "./style.css";

const root = document.getElementById("root");
if (!root) throw new Error("the page has no place for the app");

createRoot(root).render(
  <StrictMode>
    {/* Nothing is synced: what is there after a reload comes from the storage. */}
    <JazzReactProvider sync={{ when: "never" }} AccountSchema={TodoAccount} fallback={<p>Opening…</p>}>
      <App />
    </JazzReactProvider>
  </StrictMode>,
);
