// Problem: an error of the control API as it travels (RFC 9457, application/problem+json).
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"

namespace millrace::api {

struct Problem {
  int status = 500;
  std::string code;    // lower-case name a program can react to: "not_found", "invalid_body", ...
  std::string detail;  // for a person; never holds a secret
  std::string allow;   // 405 only: the methods that the path has
};

inline constexpr std::string_view kProblemType = "application/problem+json";

/// Reason phrase of an HTTP status that this API uses ("Not Found"); "Error" for any other.
std::string_view title_of(int status);

/// {"type","title","status","detail","instance","code"}; `instance` is the path of the request.
std::string encode(const Problem& problem, std::string_view instance);

/// The status a failed service call answers with. `has_body` says whether kInvalidArgument is about a body (422) or
/// about the address (400). kInternal and kCorrupt hide their message: it is for the log.
Problem problem_of(const Error& error, bool has_body);

}  // namespace millrace::api
