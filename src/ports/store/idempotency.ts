/** Binds idempotency keys to the input they were used with. */
export interface IdempotencyStore {
  /**
   * Binds each key to the digest of the input that the key was used with. The digest may also contain the
   * answer. Returns per key the digest that the key is bound to. This digest differs from the given digest if
   * the key was used before with other input.
   */
  bindKeys(
    keys: readonly (KeyIdentity & { readonly digest: string })[],
    now: Date,
  ): Promise<readonly string[]>;
  /** Returns the digest that the key is bound to. Undefined if the key is not bound. */
  boundDigest(key: KeyIdentity): Promise<string | undefined>;
}

export interface IdempotencyTransaction {
  /** Like `IdempotencyStore.bindKeys`. The keys are bound when the transaction commits. */
  bindKeys(
    keys: readonly (KeyIdentity & { readonly digest: string })[],
    now: Date,
  ): Promise<readonly string[]>;
}

/** An idempotency key with its scope. */
export interface KeyIdentity {
  readonly tenantId: string;
  readonly caller: string;
  readonly mutation: string;
  readonly key: string;
}
