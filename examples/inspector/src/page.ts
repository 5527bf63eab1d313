/** Opens the database that the address names (`?name=…`) and shows the inspector on it. */
import { createNativeStorage, type JazzNativeStorage } from "jazz-native-storage";
import { type Inspector, mountInspector } from "jazz-native-storage/inspector";
import { addSample } from "./sample.js";

const form = document.querySelector<HTMLFormElement>("#open") as HTMLFormElement;
const nameField = document.querySelector<HTMLInputElement>("#name") as HTMLInputElement;
const sample = document.querySelector<HTMLButtonElement>("#sample") as HTMLButtonElement;
const said = document.querySelector<HTMLElement>("#said") as HTMLElement;
const target = document.querySelector<HTMLElement>("#panel") as HTMLElement;

let open: { storage: JazzNativeStorage; inspector: Inspector } | undefined;

function say(text: string, isBad = false): void {
  said.textContent = text;
  said.className = isBad ? "bad" : "";
}

async function show(name: string): Promise<void> {
  open?.inspector.close();
  await open?.storage.close();
  open = undefined;
  sample.disabled = true;
  say(`Opening ${name}…`);
  try {
    const storage = await createNativeStorage({ dbName: name });
    const inspector = mountInspector(storage, {
      target,
      name,
      onClose: () => {
        say(`${name} is open; press Open to see it.`);
        nameField.focus();
      },
    });
    inspector.element.addEventListener("import", (event) => {
      const { dbName } = (event as CustomEvent<{ dbName: string }>).detail;
      nameField.value = dbName;
    });
    open = { storage, inspector };
    sample.disabled = false;
    history.replaceState(null, "", `?${new URLSearchParams({ name })}`);
    say("");
    // For the tests, which look behind the panel.
    Object.assign(globalThis, { storage });
  } catch (error) {
    say(error instanceof Error ? error.message : String(error), true);
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  void show(nameField.value);
});

sample.addEventListener("click", async () => {
  if (!open) return;
  sample.disabled = true;
  say("Adding sample data…");
  try {
    await addSample(open.storage);
    say("");
  } catch (error) {
    say(error instanceof Error ? error.message : String(error), true);
  } finally {
    sample.disabled = false;
  }
});

nameField.value = new URLSearchParams(location.search).get("name") ?? "jazz-storage";
void show(nameField.value);
