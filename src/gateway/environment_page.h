// What the gateway itself says under an environment's host name.
#pragma once

#include <string>
#include <string_view>

#include "identity/policy.h"
#include "net/http_server.h"

namespace millrace::gateway {

struct Page {
  int status = 200;
  std::string code;  // for programs: "not_found"
  std::string title, text;
  bool refreshes = false;  // asks again by itself
  bool forgets = false;    // what this origin keeps in the browser is to go
};

Page no_such_environment(std::string_view name);
Page not_signed_in(std::string_view name);
Page used_up_token(std::string_view name);
Page foreign_origin();
Page starting(const identity::EnvironmentPolicy& environment);
Page only_by_ssh(std::string_view name);

/// As HTML where the client takes that, else as problem+json. Nothing of it is cached, or framed by another origin.
void answer_page(net::Exchange& exchange, const std::string& request_id, const Page& page);

/// True if a person looks at the answer: only then is a stopped environment started.
bool is_navigation(const net::RequestHead& head);

}  // namespace millrace::gateway
