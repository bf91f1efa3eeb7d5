/** Lets only so many first loads run at once. Each admitted one gives its place back by calling `release`, once or more. */
export class LoadGate {
  readonly #places: number;
  readonly #waiting: ((release: () => void) => void)[] = [];
  #taken = 0;

  constructor(places: number) {
    this.#places = places;
  }

  /** Calls back now or later. */
  enter(begin: (release: () => void) => void): void {
    this.#waiting.push(begin);
    this.#admit();
  }

  /** Forgets those that wait. */
  clear(): void {
    this.#waiting.length = 0;
  }

  #admit(): void {
    while (this.#taken < this.#places) {
      const begin = this.#waiting.shift();
      if (begin === undefined) {
        return;
      }
      this.#taken++;
      let released = false;
      begin(() => {
        if (!released) {
          released = true;
          this.#taken--;
          this.#admit();
        }
      });
    }
  }
}
