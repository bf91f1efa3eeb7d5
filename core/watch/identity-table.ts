/**
 * A large set of objects by a 53-bit hash of their identity, each with the hash of its version: a few bytes an object and
 * no strings kept. Two objects are mixed up with a chance of about one in a million for 100,000 of them.
 */
export class IdentityTable {
  #keys = new Float64Array(1024);
  #versions = new Float64Array(1024);
  #scopes = new Int32Array(1024);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** `scope`: a small number that comes back from `take`. */
  add(key: number, version: number, scope: number): void {
    if (this.#size * 2 >= this.#keys.length) {
      this.#grow();
    }
    const at = this.#find(key);
    if (this.#keys[at] === 0) {
      this.#size++;
    }
    this.#keys[at] = key;
    this.#versions[at] = version;
    this.#scopes[at] = scope;
  }

  /** The version of a key, and marks it as taken; -1 when it is not there, -2 when it was taken before. */
  take(key: number): number {
    const at = this.#find(key);
    if (this.#keys[at] === 0) {
      return -1;
    }
    const version = this.#versions[at];
    this.#versions[at] = -2;
    return version;
  }

  /** Visits what was not taken. */
  forEachLeft(visit: (key: number, scope: number) => void): void {
    for (let i = 0; i < this.#keys.length; i++) {
      if (this.#keys[i] !== 0 && this.#versions[i] !== -2) {
        visit(this.#keys[i], this.#scopes[i]);
      }
    }
  }

  #find(key: number): number {
    const mask = this.#keys.length - 1;
    let at = (key % 0x7fffffff) & mask;
    while (this.#keys[at] !== 0 && this.#keys[at] !== key) {
      at = (at + 1) & mask;
    }
    return at;
  }

  #grow(): void {
    const keys = this.#keys;
    const versions = this.#versions;
    const scopes = this.#scopes;
    this.#keys = new Float64Array(keys.length * 2);
    this.#versions = new Float64Array(keys.length * 2);
    this.#scopes = new Int32Array(keys.length * 2);
    for (let i = 0; i < keys.length; i++) {
      if (keys[i] !== 0) {
        const at = this.#find(keys[i]);
        this.#keys[at] = keys[i];
        this.#versions[at] = versions[i];
        this.#scopes[at] = scopes[i];
      }
    }
  }
}

/** A 53-bit hash of a text, never 0. */
export function hash53(text: string): number {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 2654435761);
    b = Math.imul(b ^ code, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return 4294967296 * (b & 0x1fffff) + (a >>> 0) + 1;
}
