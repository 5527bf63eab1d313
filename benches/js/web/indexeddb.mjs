import { getIndexedDBStorage } from "cojson-storage-indexeddb";
import { expose } from "./page.mjs";

expose((name) => getIndexedDBStorage(name));
