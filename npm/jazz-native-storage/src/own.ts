/** Properties by names that come from outside. */

/** Sets a property by any name, `__proto__` included. */
export function setOwn<T>(target: { [name: string]: T }, name: string, value: T): void {
  if (name === "__proto__") {
    Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
  } else {
    target[name] = value;
  }
}
