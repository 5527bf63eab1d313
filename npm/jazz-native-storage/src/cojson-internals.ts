/**
 * Everything of cojson that is not part of its documented exports. `test/cojson-internals.test.ts` fails with the name of
 * whatever a version of cojson moves, so that this file is the only one to change then.
 */
import { type CojsonInternalTypes, cojsonInternals, type StorageAPI } from "cojson";

export { StorageStreamingQueue } from "cojson/dist/queue/StorageStreamingQueue.js";
export { DeletedCoValuesEraserScheduler } from "cojson/dist/storage/DeletedCoValuesEraserScheduler.js";
export { StorageKnownState } from "cojson/dist/storage/knownState.js";

export type CoValueHeader = CojsonInternalTypes.CoValueHeader;
export type KnownState = CojsonInternalTypes.CoValueKnownState;
export type ContentMessage = CojsonInternalTypes.NewContentMessage;
export type SessionContent = CojsonInternalTypes.SessionNewContent;
export type Transaction = CojsonInternalTypes.Transaction;
export type Signature = CojsonInternalTypes.Signature;
export type Correction = Parameters<StorageAPI["store"]>[1];
export type SyncStateUpdate = Parameters<StorageAPI["trackCoValuesSyncState"]>[0][number];
export type PeerID = SyncStateUpdate["peerId"];
export type AcquireResult = Parameters<Parameters<StorageAPI["tryAcquireStorageReconciliationLock"]>[2]>[0];

export const {
  getDependedOnCoValuesFromRawData,
  getPriorityFromHeader,
  STORAGE_RECONCILIATION_CONFIG,
  TRANSACTION_CONFIG,
} = cojsonInternals;
