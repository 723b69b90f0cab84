/** Binds idempotency keys to the input they were used with. */
export interface IdempotencyStore {
  /**
   * Binds each key to the digest of the input it was used with. The digest may carry the answer. Returns per key the digest
   * it is bound to, which differs from the given one if the key was used before with other input.
   */
  bindKeys(
    keys: readonly (KeyIdentity & { readonly digest: string })[],
    now: Date,
  ): Promise<readonly string[]>;
  /** The digest a key is bound to. */
  boundDigest(key: KeyIdentity): Promise<string | undefined>;
}

export interface IdempotencyTransaction {
  /** Like `IdempotencyStore.bindKeys`, bound when the transaction commits. */
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
