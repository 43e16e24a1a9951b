// Routes: every path the gateway answers, and who may use it. A route without a policy stops the start (I4).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "identity/access.h"
#include "net/http_head.h"

namespace millrace::gateway {

/// kUnset is no policy: the gateway refuses to start with it. kLocalOrAction: a client on this machine needs no key.
/// kServer: the control API checks by itself.
enum class Guard : std::uint8_t { kUnset, kPublic, kAction, kLocalOrAction, kServer };

enum class Answerer : std::uint8_t { kInference, kModels, kModel, kHealth, kReady, kMetrics, kProxy };

struct Route {
  net::Method method;
  std::string_view path;  // exact; a prefix where `prefix` is true
  bool prefix = false;
  Answerer answerer = Answerer::kHealth;
  Guard guard = Guard::kUnset;
  identity::Action action = identity::Action::kUse;  // of kAction and kLocalOrAction
};

/// In the order in which they are tried.
std::span<const Route> routes();

struct RouteMatch {
  const Route* route = nullptr;  // null: no such path
  bool path_known = false;       // another method would do
};
/// What has GET has HEAD: the server sends the head of the answer alone.
RouteMatch match_route(std::span<const Route> routes, net::Method method, std::string_view path);

/// The methods of a path, as the header Allow lists them.
std::string allowed_methods(std::span<const Route> routes, std::string_view path);

/// The first route without a policy, if there is one.
std::optional<std::string_view> unguarded(std::span<const Route> routes);

}  // namespace millrace::gateway
