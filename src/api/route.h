// Route: one operation of the control API. The table of routes is the only source of what the server answers, of who
// may call it, and of the paths in the OpenAPI document.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/call.h"
#include "api/document/schema.h"
#include "core/result.h"
#include "identity/access.h"

namespace millrace::api {

struct Services;

/// What a route acts on, and so how far the caller's role must reach.
enum class Scope {
  kShared,           // things without an owner: the role must have the action at all
  kPlatform,         // the platform as a whole
  kPathTenant,       // the tenant {name}
  kPathProject,      // the project {name}
  kPathKey,          // the owner of the key {id}
  kBodyTenant,       // the tenant named in the body
  kBodyProject,      // the project named in the body
  kOwnProject,       // the project named in body or query, else the caller's own
  kPathJob,          // the owner of the job {id}
  kPathEnvironment,  // the owner of the environment {name}
  kReach,            // a list, which the handler cuts to the caller's reach
};
std::string_view name_of(Scope scope);

/// The policy of a route: public, or an action in a scope.
struct Access {
  bool open = false;  // no key needed
  identity::Action action = identity::Action::kReadStatus;
  Scope scope = Scope::kPlatform;
};
inline constexpr Access kPublic{true, identity::Action::kReadStatus, Scope::kShared};
constexpr Access needs(identity::Action action, Scope scope) { return {false, action, scope}; }

struct Parameter {
  std::string_view name, schema, description;  // `schema` is JSON text
};

/// Instead of a schema: the body is bytes (application/octet-stream), at most kBytesMax.
inline constexpr std::string_view kBytes = "bytes";
inline constexpr std::size_t kBytesMax = 4 << 20;
inline constexpr std::string_view kBytesType = "application/octet-stream";

using Handler = Result<Reply> (*)(Services&, const Call&);

struct Route {
  std::string_view method, path;      // "/api/v1/keys/{id}"
  std::string_view id, tag, summary;  // operationId, group, one line
  std::optional<Access> access;       // none: the server does not start (invariant I4)
  Handler handler = nullptr;
  std::vector<Parameter> path_parameters = {}, query = {};
  std::string_view body = {};  // name of a schema, or kBytes; empty: takes none
  int success = 200;
  std::string_view answer = {};                       // name of a schema; empty: see answer_type
  std::string_view answer_type = "application/json";  // empty: no body
  bool takes_idempotency_key = false;
  std::vector<int> errors = {};  // beyond those that follow from the fields above
  bool documented = true;        // in the OpenAPI document
  bool changes_policy = true;    // what it changes must be known to every gateway before it is answered
  // Ids of the routes that act on what this one made: their path parameter is the answer's member of that name.
  std::vector<std::string_view> links = {};
};

/// Every operation.
std::vector<Route> all_routes();

/// Every status that the route may answer, in order, `success` included.
std::vector<int> statuses_of(const Route& route);

/// nullptr if there is none of that id.
const Route* route_of(std::span<const Route> routes, std::string_view id);

/// kInvalidArgument naming the first route without a policy, without a handler, that stands twice, whose placeholders
/// differ from its path parameters, whose schemas do not exist, or whose links lead nowhere.
Result<void> check_routes(std::span<const Route> routes, const Schemas& schemas);

struct Match {
  const Route* route = nullptr;  // nullptr: see `allowed`
  std::map<std::string, std::string, std::less<>> path;
  std::vector<std::string_view> allowed;  // methods that the path has; empty: there is no such path
};

/// Finds what answers `method` on the decoded segments of a path. A fixed segment wins over a placeholder.
Match find_route(std::span<const Route> routes, std::string_view method,
                 std::span<const std::string> segments);

}  // namespace millrace::api
