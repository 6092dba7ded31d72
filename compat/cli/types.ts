/** The types of {@linkcode parseArgs}: from the names in the options to the shape of the result. */

/** A union of flag names, or `undefined` when none are given. */
export type Names = string | undefined;

type Name<T> = Extract<T, string>;

/** Names on the left, their aliases on the right. */
export type Aliases = Readonly<Record<string, string | readonly string[]>>;

/** Options of `parseArgs()`. */
export interface ParseOptions<
  TBooleans extends Names | boolean = Names | boolean,
  TStrings extends Names = Names,
  TCollectable extends Names = Names,
  TNegatable extends Names = Names,
  TDefault extends Record<string, unknown> | undefined = Record<string, unknown> | undefined,
  TAliases extends Aliases | undefined = Aliases | undefined,
  TDoubleDash extends boolean | undefined = boolean | undefined,
> {
  /** Keep what follows `--` apart, in `result["--"]`. */
  "--"?: TDoubleDash;
  /** Other names of flags. */
  alias?: TAliases;
  /** Flags that take no value; `true` makes all long flags without `=` so. */
  boolean?: TBooleans | ReadonlyArray<Name<TBooleans>>;
  /** Values of flags that aren't given. */
  default?: TDefault;
  /** Leave everything after the first positional argument alone. */
  stopEarly?: boolean;
  /** Flags whose values stay text, even when they look like numbers. */
  string?: TStrings | ReadonlyArray<Name<TStrings>>;
  /** Flags that may be repeated and give an array. */
  collect?: TCollectable | ReadonlyArray<Name<TCollectable>>;
  /** Flags that `--no-NAME` turns off. */
  negatable?: TNegatable | ReadonlyArray<Name<TNegatable>>;
  /** Called for what the options don't name; answering `false` leaves it out of the result. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

type Flags<B, S, C, N> =
  & { [K in Name<B>]: K extends Name<C> ? boolean[] : boolean }
  & { [K in Exclude<Name<S>, Name<C>>]?: K extends Name<N> ? string | false : string }
  & { [K in Extract<Name<S>, Name<C>>]: K extends Name<N> ? string[] | false : string[] }
  & { [K in Exclude<Name<C>, Name<S> | Name<B>>]: K extends Name<N> ? unknown[] | false : unknown[] };

type WithDefaults<F, D> = [D] extends [undefined] ? F
  :
    & Omit<F, keyof D>
    & { [K in keyof D]: K extends keyof F ? D[K] | NonNullable<F[K]> : unknown };

type AliasNames<K, A> = K extends keyof A ? K | (A[K] extends readonly string[] ? A[K][number] : Name<A[K]>) : K;

type WithAliases<F, A> = [A] extends [undefined] ? F : { [K in keyof F as AliasNames<K, A>]: F[K] };

/** The flags of a result, typed as far as the options name them. */
export type Values<B, S, C, N, D, A> = [Name<B> | Name<S> | Name<C>] extends [never] ? Record<string, unknown>
  : Record<string, unknown> & WithAliases<WithDefaults<Flags<B, S, C, N>, D>, A>;

/** The result of `parseArgs()`: flags by name, the positional arguments in `_`. */
export type Args<
  TArgs extends Record<string, unknown> = Record<string, unknown>,
  TDoubleDash extends boolean | undefined = undefined,
> =
  & TArgs
  & { _: Array<string | number> }
  & ([TDoubleDash] extends [true] ? { "--": string[] }
    : [TDoubleDash] extends [false | undefined] ? Record<never, never>
    : { "--"?: string[] });
