// Dispatcher: from a request to its answer: route, key, role, parameters, body, owner, idempotency, handler; in this
// order, and nothing is done before all of it holds.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/call.h"
#include "api/console.h"
#include "api/document/schema.h"
#include "api/idempotency.h"
#include "api/problem.h"
#include "api/route.h"
#include "api/services.h"

namespace millrace::api {

/// Safe from any thread.
class Dispatcher {
 public:
  static constexpr std::size_t kBodyMax = 2 << 20;  // a job file of 1 MiB, with its quotes escaped

  /// kInvalidArgument if a route has no policy, or the table or the inference fragment is otherwise wrong (see
  /// check_routes, openapi_document): then the server must not start. Writes services.openapi.
  static Result<std::unique_ptr<Dispatcher>> create(Services& services, std::vector<Route> routes,
                                                    Console console, const std::string& inference_openapi);

  /// Always an answer; errors as problem+json. Blocks as long as the handler does.
  Reply handle(const RawRequest& request);

 private:
  struct Owner {
    std::string tenant, project;
  };
  struct Parts {
    std::vector<Route> routes;
    Schemas schemas;
    Console console;
  };
  Dispatcher(Services& services, Parts parts);

  std::expected<Reply, Problem> serve(const RawRequest& request);
  std::expected<Reply, Problem> serve_route(const Route& route, Call& call, const RawRequest& request);
  std::expected<void, Problem> authorise_role(const Route& route, Call& call, const RawRequest& request);
  std::expected<void, Problem> read_path(const Route& route, Call& call) const;
  std::expected<void, Problem> read_query(const Route& route, std::string_view query, Call& call) const;
  std::expected<void, Problem> read_body(const Route& route, const RawRequest& request, Call& call) const;
  std::expected<void, Problem> authorise_owner(const Route& route, const Call& call);
  Result<Owner> owner_of(const Route& route, const Call& call);
  std::expected<Reply, Problem> run(const Route& route, const Call& call, const RawRequest& request);
  std::expected<Reply, Problem> run_once(const Route& route, const Call& call, const RawRequest& request);

  Services& services_;
  const std::vector<Route> routes_;
  const Schemas schemas_;
  const Console console_;
  IdempotencyKeys idempotency_;
};

}  // namespace millrace::api
