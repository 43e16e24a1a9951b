#include "gateway/environment_page.h"

#include <fmt/format.h>

#include "host/json_writer.h"

namespace millrace::gateway {
namespace {

constexpr std::string_view kPolicy =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors "
    "'none'";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out.push_back(c);
    }
  }
  return out;
}

std::string html_of(const Page& page) {
  return fmt::format(
      R"(<!doctype html><html lang="en"><head><meta charset="utf-8">{}<title>{}</title>
<meta name="viewport" content="width=device-width"><style>
body{{font:16px/1.5 system-ui,sans-serif;max-width:38rem;margin:15vh auto;padding:0 1rem;color-scheme:light dark}}
progress{{width:100%}}</style></head>
<body><main><h1>{}</h1><p>{}</p>{}</main></body></html>
)",
      page.refreshes ? R"(<meta http-equiv="refresh" content="1">)" : "", escaped(page.title),
      escaped(page.title), escaped(page.text),
      page.refreshes ? R"(<progress aria-label="starting"></progress>)" : "");
}

std::string json_of(const Page& page, const std::string& request_id) {
  host::JsonWriter writer;
  writer.begin_object()
      .field("type", "about:blank")
      .field("title", page.title)
      .field("status", page.status)
      .field("detail", page.text)
      .field("instance", request_id)
      .field("code", page.code)
      .end_object();
  return writer.take();
}

}  // namespace

Page no_such_environment(std::string_view name) {
  return {404,
          "not_found",
          "There is no such environment",
          fmt::format("Nothing is called {} here. See: millrace env list", name.substr(0, 64)),
          false,
          true};
}

Page not_signed_in(std::string_view name) {
  return {
      401, "unauthorized", "This environment is closed",
      fmt::format("Open it with: millrace env open {} (or in the console). That gives a link which lets this "
                  "browser in once, and for twelve hours.",
                  name)};
}

Page used_up_token(std::string_view name) {
  return {
      403, "denied", "This link is used up",
      fmt::format("A link opens an environment once, within a minute. Get a new one: millrace env open {}",
                  name)};
}

Page foreign_origin() {
  return {403, "denied", "Another site asked for this",
          "Requests that change something, and WebSockets, are taken only from the environment's own pages."};
}

Page starting(const identity::EnvironmentPolicy& environment) {
  return {503, "unavailable", fmt::format("{} is starting", environment.name),
          environment.reason.empty() ? "This page goes on by itself." : environment.reason, true};
}

Page only_by_ssh(std::string_view name) {
  return {404, "not_found", "This environment is a shell",
          fmt::format("It is reached by ssh: millrace env open {}", name)};
}

void answer_page(net::Exchange& exchange, const std::string& request_id, const Page& page) {
  std::vector<net::Header> headers{{"x-request-id", request_id},
                                   {"cache-control", "no-store"},
                                   {"content-security-policy", kPolicy},
                                   {"referrer-policy", "no-referrer"},
                                   {"x-content-type-options", "nosniff"}};
  if (page.status == 503) headers.push_back({"retry-after", "1"});
  // What an environment that is gone left in the browser must not meet the next one of that name.
  if (page.forgets) headers.push_back({"clear-site-data", R"("cache", "storage")"});
  if (is_navigation(exchange.head())) {
    return exchange.respond(page.status, "text/html; charset=utf-8", headers, html_of(page));
  }
  exchange.respond(page.status, "application/problem+json", headers, json_of(page, request_id));
}

bool is_navigation(const net::RequestHead& head) {
  const auto mode = head.find("sec-fetch-mode");
  return head.method == net::Method::kGet && (!mode || *mode == "navigate") &&
         head.find("accept").value_or("").contains("text/html");
}

}  // namespace millrace::gateway
