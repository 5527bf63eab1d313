/** The package as the tests import it, in browsers: a path is the name of a database. */
import {
  createNativeStorage as create,
  type JazzNativeStorage,
  type NativeStorageOptions,
} from "jazz-native-storage";

export { NativeStorageError } from "jazz-native-storage";

export async function createNativeStorage({
  path,
  ...more
}: NativeStorageOptions): Promise<JazzNativeStorage> {
  return await create({ ...more, ...(path === undefined ? {} : { dbName: path }) });
}
