// Prints, as JSON, both route tables with their policies and the matrix of roles: what wire_test.py expects of the
// running program.
#include <unistd.h>

#include "api/route.h"
#include "gateway/routes.h"
#include "host/json_writer.h"
#include "identity/access.h"
#include "net/http_head.h"

namespace millrace {
namespace {

std::string_view name_of(gateway::Guard guard) {
  switch (guard) {
    case gateway::Guard::kUnset:
      return "unset";
    case gateway::Guard::kPublic:
      return "public";
    case gateway::Guard::kAction:
      return "action";
    case gateway::Guard::kLocalOrAction:
      return "local-or-action";
    case gateway::Guard::kServer:
      return "server";
  }
  return "unset";
}

std::string_view name_of(identity::Reach reach) {
  switch (reach) {
    case identity::Reach::kNone:
      return "none";
    case identity::Reach::kProject:
      return "project";
    case identity::Reach::kTenant:
      return "tenant";
    case identity::Reach::kAll:
      return "all";
  }
  return "none";
}

void write_api(host::JsonWriter& out) {
  out.key("api").begin_array();
  for (const api::Route& route : api::all_routes()) {
    out.begin_object().field("method", route.method).field("path", route.path).field("id", route.id);
    out.field("success", std::int64_t{route.success}).field("open", route.access->open);
    out.field("action", identity::name_of(route.access->action))
        .field("scope", api::name_of(route.access->scope));
    out.end_object();
  }
  out.end_array();
}

void write_gateway(host::JsonWriter& out) {
  out.key("gateway").begin_array();
  for (const gateway::Route& route : gateway::routes()) {
    out.begin_object().field("method", net::name_of(route.method)).field("path", route.path);
    out.field("prefix", route.prefix).field("guard", name_of(route.guard));
    out.field("action", identity::name_of(route.action)).end_object();
  }
  out.end_array();
}

void write_roles(host::JsonWriter& out) {
  out.key("roles").begin_object();
  for (const identity::Role role : identity::all_roles()) {
    out.key(identity::name_of(role)).begin_object();
    for (const identity::Action action : identity::all_actions())
      out.field(identity::name_of(action), name_of(identity::reach(role, action)));
    out.end_object();
  }
  out.end_object();
}

}  // namespace
}  // namespace millrace

int main() {
  millrace::host::JsonWriter out;
  out.begin_object();
  millrace::write_api(out);
  millrace::write_gateway(out);
  millrace::write_roles(out);
  out.end_object();
  const std::string text = out.take();
  return ::write(STDOUT_FILENO, text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : 1;
}
