import { Fifo, type Link } from "./fifo.ts";

/** What waits in a lane. */
export interface Waiting {
  readonly key: string;
  readonly tenant: string;
  /** When it became ready, milliseconds of the clock. */
  readySinceMs: number;
  /** Its places. Belong to the lane. */
  inLane: Link<Waiting> | undefined;
  inTenant: Link<Waiting> | undefined;
}

interface Tenant {
  readonly name: string;
  readonly waiting: Fifo<Waiting>;
  turn: Link<Tenant>;
}

/** All that is ready with one priority. Tenants take turns; what one tenant has comes in the order in which it was added. */
export class Lane<T extends Waiting> {
  readonly priority: number;
  readonly #order = new Fifo<Waiting>();
  readonly #tenants = new Map<string, Tenant>();
  readonly #turns = new Fifo<Tenant>();

  constructor(priority: number) {
    this.priority = priority;
  }

  get isEmpty(): boolean {
    return this.#order.first === undefined;
  }

  /** Since when its oldest waits. */
  get oldestMs(): number {
    return this.#order.first?.readySinceMs ?? Number.POSITIVE_INFINITY;
  }

  add(item: T): void {
    let tenant = this.#tenants.get(item.tenant);
    if (tenant === undefined) {
      tenant = this.#open(item.tenant);
    }
    item.inLane = this.#order.push(item);
    item.inTenant = tenant.waiting.push(item);
  }

  remove(item: T): void {
    const tenant = this.#tenants.get(item.tenant);
    if (tenant === undefined || item.inLane === undefined || item.inTenant === undefined) {
      return;
    }
    this.#order.remove(item.inLane);
    tenant.waiting.remove(item.inTenant);
    item.inLane = undefined;
    item.inTenant = undefined;
    if (tenant.waiting.first === undefined) {
      this.#turns.remove(tenant.turn);
      this.#tenants.delete(tenant.name);
    }
  }

  /** The next one of the tenant whose turn it is; that tenant goes behind the others. */
  take(): T | undefined {
    const tenant = this.#turns.first;
    const item = tenant?.waiting.first;
    if (tenant === undefined || item === undefined) {
      return undefined;
    }
    this.#turns.remove(tenant.turn);
    tenant.turn = this.#turns.push(tenant);
    // Only what `add` was given is in the lists.
    this.remove(item as T);
    return item as T;
  }

  #open(name: string): Tenant {
    // The turn follows at once: it points back to the tenant.
    const tenant = { name, waiting: new Fifo<Waiting>() } as Tenant;
    tenant.turn = this.#turns.push(tenant);
    this.#tenants.set(name, tenant);
    return tenant;
  }
}
