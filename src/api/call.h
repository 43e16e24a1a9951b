// Call and Reply: one request to the control API after its checks, and what is answered.
#pragma once

#include <boost/json.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"
#include "identity/access.h"

namespace millrace::api {

struct Reply {
  int status = 200;
  std::string content_type;  // empty: no body
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

/// A request as it came, before anything was checked. A header that is absent is empty, but for the key, where a
/// client must be told that an empty one is wrong.
struct RawRequest {
  std::string method, path, query;  // not decoded
  std::string authorization, content_type, accept, if_none_match, body, request_id;
  std::optional<std::string> idempotency_key;
};

/// What a handler gets: everything in it fits the schemas of its route, and the caller may do it.
struct Call {
  identity::Principal principal;                                 // empty on public routes
  std::map<std::string, std::string, std::less<>> path;          // path parameters, decoded
  std::map<std::string, boost::json::value, std::less<>> query;  // query parameters that were given, typed
  boost::json::value body;                                       // null where the route takes none
  std::string_view bytes;                                        // the body of routes that take bytes
  std::string accept;

  std::string_view path_text(std::string_view name) const { return path.find(name)->second; }
  /// The query parameter, or `otherwise` if it was not given.
  std::string_view query_text(std::string_view name, std::string_view otherwise = {}) const;
  std::int64_t query_int(std::string_view name, std::int64_t otherwise) const;
};

/// A JSON answer. Numbers are written in their shortest decimal form.
Reply json_reply(int status, const boost::json::value& body);

/// `value` as JSON text; finite doubles as 0.25, not 2.5E-1; others as null.
std::string json_text(const boost::json::value& value);

}  // namespace millrace::api
