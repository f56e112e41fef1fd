/** The AssemblyScript number types that format/ uses in signatures, as tsc sees them. */
declare type i32 = number;
declare type usize = number;
