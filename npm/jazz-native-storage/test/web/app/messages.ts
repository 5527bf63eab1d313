/** Messages as cojson makes them. */
import type { CojsonInternalTypes, RawCoID, SessionID } from "cojson";

export type Message = CojsonInternalTypes.NewContentMessage;

const HEADER = {
  type: "comap",
  ruleset: { type: "unsafeAllowAll" },
  meta: null,
  uniqueness: "z123",
  createdAt: "2024-01-01T00:00:00.000Z",
} as unknown as Message["header"];

/** A message with so many transactions of so many characters to one session, from `after` on. */
export function message(id: string, session: string, after: number, count: number, size: number): Message {
  return {
    action: "content",
    id: id as RawCoID,
    header: HEADER,
    priority: 3,
    new: {
      [session as SessionID]: {
        after,
        lastSignature: `signature_z${after + count}` as `signature_z${string}`,
        newTransactions: Array.from({ length: count }, (_, n) => ({
          privacy: "trusting" as const,
          madeAt: 1_700_000_000_000 + after + n,
          changes: `[${after + n},"${"x".repeat(size)}"]` as never,
        })),
      },
    },
  };
}
