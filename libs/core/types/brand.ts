declare const brand: unique symbol;

/** A value of type `T` that only code which means `Name` may take: a `NodeId` is no `PartitionIndex`, though both are numbers. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
