// Handlers: what the groups of routes share, and the tables they contribute. Private to api.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/call.h"
#include "api/route.h"
#include "api/services.h"
#include "core/clock.h"
#include "identity/directory.h"
#include "identity/page.h"
#include "ledger/usage_json.h"

namespace millrace::api {

inline constexpr std::string_view kNameSchema = R"({"$ref": "#/components/schemas/Name"})";
inline constexpr std::string_view kIdSchema = R"({"$ref": "#/components/schemas/Id"})";
inline constexpr std::string_view kTimeSchema =
    R"({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]})";

/// Below it, bodies are pieces of archives.
inline constexpr std::string_view kArchivesPath = "/api/v1/blobs/";

/// The parameters `limit` and `after` of a list.
std::vector<Parameter> page_parameters(std::vector<Parameter> more = {});
std::size_t limit_of(const Call& call);

/// {"data":[...],"next":...}
template <typename T, typename ToJson>
Reply page_reply(const std::vector<T>& data, const std::optional<std::string>& next, ToJson to_json) {
  boost::json::array items;
  for (const T& item : data) items.push_back(to_json(item));
  return json_reply(200,
                    boost::json::object{{"data", std::move(items)},
                                        {"next", next ? boost::json::value(*next) : boost::json::value()}});
}

template <typename T, typename ToJson>
Reply page_reply(const identity::Page<T>& page, ToJson to_json) {
  return page_reply(page.data, page.next, to_json);
}

/// Whose things a list may show: empty strings are everybody's. The caller's reach cut by the query parameters
/// `tenant` and `project`; kNotFound if these lie outside of it.
struct Reachable {
  std::string tenant, project;
};
Result<Reachable> reachable(const Call& call, identity::Action action);

/// JSON holds text, a program writes bytes: what is not UTF-8 becomes U+FFFD, byte by byte.
std::string as_text(std::string_view bytes);
/// `bytes` without a character at its end of which only the first bytes are there.
std::string_view whole_characters(std::string_view bytes);
boost::json::value time_json(const std::optional<TimePoint>& time);
/// null for an empty text.
boost::json::value text_json(std::string_view text);
boost::json::object limits_json(const identity::Limits& limits);
/// From a value that fits the schema Limits (or one form of Quota).
identity::Limits limits_of(const boost::json::object& object);
/// Euro to whole micro-euro, rounded half up.
std::int64_t microeur_of(double eur);

/// Power of the site in the last interval that was sampled.
Power power_of(Services& services);

void add_identity_routes(std::vector<Route>& routes);
void add_quota_routes(std::vector<Route>& routes);
void add_model_routes(std::vector<Route>& routes);
void add_endpoint_routes(std::vector<Route>& routes);
void add_environment_routes(std::vector<Route>& routes);
void add_ledger_routes(std::vector<Route>& routes);
void add_status_routes(std::vector<Route>& routes);
void add_job_routes(std::vector<Route>& routes);
void add_job_file_routes(std::vector<Route>& routes);
void add_node_routes(std::vector<Route>& routes);
void add_site_routes(std::vector<Route>& routes);
void add_compute_quota_routes(std::vector<Route>& routes);
void add_secret_routes(std::vector<Route>& routes);

}  // namespace millrace::api
