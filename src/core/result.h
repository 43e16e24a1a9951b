// Result<T>: a value or an Error; the only way a failure crosses a function border in Millrace.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace millrace {

/// What a caller can react to; everything else is detail in the message.
enum class ErrorCode {
  kInvalidArgument,  // the caller's input is wrong; trying again changes nothing
  kNotFound,         // the named thing does not exist
  kConflict,         // it exists already, or changed since it was read; read again and retry
  kDenied,           // authenticated or not, this is not allowed
  kExhausted,        // a limit, quota or space is used up; later may work
  kUnavailable,      // the other side is away or not ready; later may work
  kTimeout,          // no answer within the time given; the effect is unknown
  kCorrupt,          // stored or received bytes break their format
  kInternal,         // an operating-system call or an own invariant failed
};

/// Lower-case name of a code ("not_found"), as it appears in logs and problem+json types.
const char* name_of(ErrorCode code);

/// A failure. `message` tells a person what was tried, what was found and what to do; it never holds a secret.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
};

template <typename T>
using Result = std::expected<T, Error>;

/// Shorthand for `return failure(ErrorCode::kNotFound, "...")`.
inline std::unexpected<Error> failure(ErrorCode code, std::string message) {
  return std::unexpected(Error{code, std::move(message)});
}

/// kInternal (or a closer code) with `what`, the errno's text and its number. Example: "open /x: No such file (2)".
Error errno_error(std::string_view what, int errno_value);

}  // namespace millrace

/// Evaluates to the value of a Result, or returns its error from the enclosing function.
#define TRY(expression)                                                       \
  ({                                                                          \
    auto try_result_ = (expression);                                          \
    if (!try_result_) return std::unexpected(std::move(try_result_.error())); \
    std::move(*try_result_);                                                  \
  })

/// As TRY, for Result<void>.
#define TRY_VOID(expression)                                                  \
  do {                                                                        \
    auto try_result_ = (expression);                                          \
    if (!try_result_) return std::unexpected(std::move(try_result_.error())); \
  } while (false)
