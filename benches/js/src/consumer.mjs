/** What is done with loaded messages. It runs in browsers too. */

/** @typedef {import("cojson").CojsonInternalTypes.NewContentMessage} Message */

/** Looks at every transaction of the messages it is given, as their receiver would. */
export class Consumer {
  messages = 0;
  transactions = 0;
  /** UTF-16 units of all changes. */
  characters = 0;

  /** @param {Message} message */
  take = (message) => {
    this.messages += 1;
    for (const content of Object.values(message.new)) {
      for (const transaction of content.newTransactions) this.characters += changesOf(transaction).length;
      this.transactions += content.newTransactions.length;
    }
  };
}

/**
 * The changes of a transaction, encrypted or not.
 *
 * @param {Message["new"][import("cojson").SessionID]["newTransactions"][number]} transaction
 */
export function changesOf(transaction) {
  return transaction.privacy === "private" ? transaction.encryptedChanges : transaction.changes;
}
