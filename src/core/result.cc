#include "core/result.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

namespace millrace {

const char* name_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid_argument";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kConflict:
      return "conflict";
    case ErrorCode::kDenied:
      return "denied";
    case ErrorCode::kExhausted:
      return "exhausted";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kTimeout:
      return "timeout";
    case ErrorCode::kCorrupt:
      return "corrupt";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "internal";
}

namespace {
ErrorCode code_of_errno(int value) {
  switch (value) {
    case ENOENT:
    case ESRCH:
      return ErrorCode::kNotFound;
    case EEXIST:
      return ErrorCode::kConflict;
    case EACCES:
    case EPERM:
      return ErrorCode::kDenied;
    case EMFILE:
    case ENFILE:
    case ENOSPC:
    case EDQUOT:
      return ErrorCode::kExhausted;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case EAGAIN:
      return ErrorCode::kUnavailable;
    case ETIMEDOUT:
      return ErrorCode::kTimeout;
    default:
      return ErrorCode::kInternal;
  }
}
}  // namespace

Error errno_error(std::string_view what, int errno_value) {
  char buffer[128] = {};
  const char* text = strerror_r(errno_value, buffer, sizeof buffer);
  return {code_of_errno(errno_value), fmt::format("{}: {} ({})", what, text, errno_value)};
}

}  // namespace millrace
