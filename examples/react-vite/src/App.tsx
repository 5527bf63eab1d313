import { useAccount } from "jazz-tools/react";
import { type FormEvent, useState } from "react";
import { TodoAccount } from "./schema.js";

export function App() {
  const me = useAccount(TodoAccount, { resolve: { root: { todos: { $each: true } } } });
  const [text, setText] = useState("");
  if (!me.$isLoaded) return <p className="quiet">Loading…</p>;
  const { todos } = me.root;
  const left = todos.filter((todo) => !todo.done).length;

  const add = (event: FormEvent) => {
    event.preventDefault();
    if (text.trim() === "") return;
    todos.$jazz.push({ text: text.trim(), done: false });
    setText("");
  };

  return (
    <main>
      <header>
        <h1>To do</h1>
        <p className="quiet">{left === 0 ? "nothing left" : `${left} left`}</p>
      </header>
      <form onSubmit={add}>
        <input
          aria-label="What is to be done"
          placeholder="What is to be done?"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <button type="submit" disabled={text.trim() === ""}>
          Add
        </button>
      </form>
      <ul>
        {todos.map((todo) => (
          <li key={todo.$jazz.id} className={todo.done ? "done" : undefined}>
            <label>
              <input
                type="checkbox"
                checked={todo.done}
                onChange={() => todo.$jazz.set("done", !todo.done)}
              />
              <span>{todo.text}</span>
            </label>
            <button
              type="button"
              className="remove"
              aria-label={`Remove ${todo.text}`}
              onClick={() => todos.$jazz.remove((each) => each.$jazz.id === todo.$jazz.id)}
            >
              ×
            </button>
          </li>
        ))}
      </ul>
      <footer className="quiet">Kept in this browser by jazz-native-storage.</footer>
    </main>
  );
}
