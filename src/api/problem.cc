#include "api/problem.h"

#include <boost/json.hpp>

namespace millrace::api {

std::string_view title_of(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Content";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    default:
      return "Error";
  }
}

std::string encode(const Problem& problem, std::string_view instance) {
  const boost::json::object body = {{"type", "urn:millrace:problem:" + problem.code},
                                    {"title", title_of(problem.status)},
                                    {"status", problem.status},
                                    {"detail", problem.detail},
                                    {"instance", instance},
                                    {"code", problem.code}};
  return boost::json::serialize(body);
}

Problem problem_of(const Error& error, bool has_body) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
      return {has_body ? 422 : 400, "invalid_argument", error.message, ""};
    case ErrorCode::kNotFound:
      return {404, "not_found", error.message, ""};
    case ErrorCode::kConflict:
      return {409, "conflict", error.message, ""};
    case ErrorCode::kDenied:
      return {403, "denied", error.message, ""};
    case ErrorCode::kExhausted:
      return {503, "exhausted", error.message, ""};
    case ErrorCode::kUnavailable:
      return {503, "unavailable", error.message, ""};
    case ErrorCode::kTimeout:
      return {503, "timeout", error.message, ""};
    case ErrorCode::kCorrupt:
    case ErrorCode::kInternal:
      break;
  }
  return {500, name_of(error.code), "the server failed; its log names the cause under this x-request-id", ""};
}

}  // namespace millrace::api
