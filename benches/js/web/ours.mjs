import { createNativeStorage } from "jazz-native-storage";
import { expose } from "./page.mjs";

expose((dbName) => createNativeStorage({ dbName }));
