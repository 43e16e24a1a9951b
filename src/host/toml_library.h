// The TOML library as host compiles it, for the .cc files that read TOML.
#pragma once

// Debian builds the library with exceptions only; without them its code is compiled into the including file.
#define TOML_EXCEPTIONS 0
#undef TOML_HEADER_ONLY
#define TOML_HEADER_ONLY 1
#undef TOML_SHARED_LIB
// Version 3.3.0 asserts that a key follows "[", before the check that reports it: a file with "[ #" would abort the program.
// With NDEBUG it would assume the same instead.
#undef NDEBUG
#define TOML_ASSERT(expression) static_assert(true)
#include <toml++/toml.h>
