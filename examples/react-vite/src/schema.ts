/** What the app stores: for each account a list of what there is to do. */
import { co, z } from "jazz-tools";

export const Todo = co.map({ text: z.string(), done: z.boolean() });

export const TodoRoot = co.map({ todos: co.list(Todo) });

export const TodoAccount = co
  .account({ profile: co.profile(), root: TodoRoot })
  .withMigration(async (account) => {
    if (!account.$jazz.has("root")) account.$jazz.set("root", { todos: [] });
  });
