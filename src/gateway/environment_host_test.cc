#include "gateway/environment_host.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/rng.h"
#include "gateway/environment_gate.h"

namespace millrace::gateway {
namespace {

net::RequestHead request(const std::string& text) {
  static std::string bytes;
  bytes = text;
  net::RequestHead head;
  const auto read = net::parse_request_head(bytes, {}, head);
  EXPECT_EQ(read.state, net::HeadResult::State::kDone) << text << read.reason;
  return head;
}

net::ResponseHead response(const std::string& text) {
  static std::string bytes;
  bytes = text;
  net::ResponseHead head;
  const auto read = net::parse_response_head(bytes, {}, net::Method::kGet, head);
  EXPECT_EQ(read.state, net::HeadResult::State::kDone) << text << read.reason;
  return head;
}

constexpr const char* kOpening =
    "GET /ws HTTP/1.1\r\nHost: nb.localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

std::string without(std::string text, const std::string& part, const std::string& instead = "") {
  const auto at = text.find(part);
  EXPECT_NE(at, std::string::npos) << part;
  return text.replace(at, part.size(), instead);
}

TEST(EnvironmentHost, IsOneLabelBelowTheDomain) {
  EXPECT_EQ(environment_of_host("nb.localhost", "localhost"), "nb");
  EXPECT_EQ(environment_of_host("nb.localhost:8080", "localhost"), "nb");
  EXPECT_EQ(environment_of_host("NB.LocalHost:8080", "localhost"), "nb");
  EXPECT_EQ(environment_of_host("nb.env.example.org", "env.example.org"), "nb");
}

TEST(EnvironmentHost, EverythingBelowTheDomainIsKeptFromTheConsole) {
  EXPECT_EQ(environment_of_host("a.b.localhost", "localhost"), "a.b");
  EXPECT_EQ(environment_of_host("nb.localhost.:80", "localhost"), "nb");
  EXPECT_EQ(environment_of_host("NB%41.localhost", "localhost"), "nb%41");
}

TEST(EnvironmentHost, OtherHostsAreTheGatewaysOwn) {
  for (const char* host : {"localhost", "localhost:8080", ".localhost:8080", "127.0.0.1:8080", "[::1]:8080",
                           "", "notlocalhost", "nb.localhost.evil.org", "localhost.", "[nb.localhost]"}) {
    const auto name = environment_of_host(host, "localhost");
    EXPECT_TRUE(!name || name->empty()) << host;
  }
  EXPECT_FALSE(environment_of_host("nb.localhost", "env.example.org"));
  EXPECT_FALSE(environment_of_host("env.example.org", "env.example.org"));
}

TEST(EnvironmentHost, AnOriginIsSchemeAndHost) {
  EXPECT_EQ(origin_of("nb.localhost:8080", false), "http://nb.localhost:8080");
  EXPECT_EQ(origin_of("NB.localhost", true), "https://nb.localhost");
}

TEST(EnvironmentCookies, OursAreFoundAmongOthersAndNeverPassedOn) {
  const auto head = request(
      "GET / HTTP/1.1\r\nHost: h\r\nCookie: a=1; millrace_env=one;b=2\r\n"
      "Cookie: millrace_env=two; __Host-millrace_env=three; c=4; x\r\n\r\n");
  EXPECT_EQ(pass_cookies(head.headers, false), (std::vector<std::string_view>{"one", "two"}));
  EXPECT_EQ(pass_cookies(head.headers, true), (std::vector<std::string_view>{"three"}));
  std::string cookies;
  const auto headers = headers_for_environment(head, {.peer = "p", .host = "h"}, cookies);
  EXPECT_EQ(*net::find_header(headers, "cookie"), "a=1; b=2; c=4; x");
}

TEST(EnvironmentCookies, AnEnvironmentCanSetNoneOfOursAndNoneForItsNeighbours) {
  EXPECT_EQ(set_cookie_for_browser("a=1; Path=/; HttpOnly"), "a=1; Path=/; HttpOnly");
  EXPECT_EQ(set_cookie_for_browser("a=1; Domain=localhost; Path=/"), "a=1; Path=/");
  EXPECT_EQ(set_cookie_for_browser("a=1;DOMAIN = localhost"), "a=1");
  EXPECT_FALSE(set_cookie_for_browser("millrace_env=x"));
  EXPECT_FALSE(set_cookie_for_browser("  Millrace_Env =x; Path=/"));
  EXPECT_FALSE(set_cookie_for_browser("__Host-millrace_env=x; Secure"));
  EXPECT_FALSE(set_cookie_for_browser("=millrace_env=x")) << "browsers send its bare value";
  EXPECT_FALSE(set_cookie_for_browser("millrace_env"));
}

TEST(EnvironmentHeaders, WhatIsBetweenClientAndGatewayStaysThere) {
  const auto head = request(
      "POST /api HTTP/1.1\r\nHost: nb.localhost\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\n"
      "Authorization: Bearer mr_secret\r\nX-Api-Key: mr_secret\r\nX-Forwarded-For: 6.6.6.6\r\nX-Real-IP: "
      "6.6.6.6\r\n"
      "Forwarded: for=6.6.6.6\r\nContent-Length: 2\r\nContent-Type: text/plain\r\nX-XSRFToken: t\r\n\r\n");
  std::string cookies;
  const auto headers =
      headers_for_environment(head, {.peer = "127.0.0.1:5", .host = "nb.localhost"}, cookies);
  std::vector<std::string> names;
  for (const auto& header : headers) names.emplace_back(header.name);
  EXPECT_EQ(names, (std::vector<std::string>{"Content-Type", "X-XSRFToken", "x-forwarded-for",
                                             "x-forwarded-host", "x-forwarded-proto"}));
  EXPECT_EQ(*net::find_header(headers, "x-forwarded-for"), "127.0.0.1:5");
}

TEST(EnvironmentHeaders, AnAnswerCannotReachBeyondItsOrigin) {
  const auto head = response(
      "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: X-Hop\r\nX-Hop: 1\r\nClear-Site-Data: "
      "\"*\"\r\n"
      "Alt-Svc: h3=\":99\"\r\nSet-Cookie: a=1; Domain=localhost\r\nSet-Cookie: millrace_env=1\r\nSet-Cookie: "
      "b=2\r\n"
      "X-Millrace-Stops-At: never\r\nETag: \"1\"\r\nContent-Length: 0\r\n\r\n");
  std::vector<std::string> kept;
  std::vector<std::string> lines;
  for (const auto& header : headers_for_browser(head, kept)) {
    lines.push_back(std::string(header.name) + "=" + std::string(header.value));
  }
  EXPECT_EQ(lines, (std::vector<std::string>{"set-cookie=a=1", "set-cookie=b=2", "ETag=\"1\""}));
}

TEST(EnvironmentUpgrade, AWebSocketIsOpenedAsTheStandardSays) {
  EXPECT_EQ(*upgrade_of(request(kOpening)), Upgrade::kWebSocket);
  for (const std::string& bad :
       {without(kOpening, "Version: 13", "Version: 8"), without(kOpening, "Sec-WebSocket-Version: 13\r\n"),
        without(kOpening, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
        without(kOpening, "bXBsZSBub25jZQ==", "A=="),
        without(kOpening, "\r\n\r\n", "\r\nContent-Length: 2\r\n\r\n"),
        without(kOpening, "HTTP/1.1", "HTTP/1.0"), without(kOpening, "GET", "POST"),
        without(kOpening, "Upgrade: websocket\r\n", "Upgrade: websocket\r\nUpgrade: x\r\n")}) {
    EXPECT_FALSE(upgrade_of(request(bad))) << bad;
  }
}

TEST(EnvironmentUpgrade, WhatIsNotKnownOrNotAskedForOnThisConnectionIsIgnored) {
  EXPECT_EQ(*upgrade_of(request(without(kOpening, "Upgrade: websocket", "Upgrade: h2c"))), Upgrade::kNone);
  EXPECT_EQ(*upgrade_of(request(without(kOpening, "keep-alive, Upgrade", "keep-alive"))), Upgrade::kNone);
  EXPECT_EQ(*upgrade_of(request("GET / HTTP/1.1\r\nHost: h\r\n\r\n")), Upgrade::kNone);
  EXPECT_EQ(*upgrade_of(request(without(kOpening, "Upgrade: websocket", "Upgrade: Millrace-Stream"))),
            Upgrade::kStream);
}

TEST(EnvironmentUpgrade, OnlyTheProtocolThatWasAskedForIsTaken) {
  const std::string good = "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n";
  EXPECT_TRUE(check_switched(response(good), Upgrade::kWebSocket));
  EXPECT_FALSE(check_switched(response(good), Upgrade::kStream));
  EXPECT_FALSE(check_switched(response(good), Upgrade::kNone));
  EXPECT_FALSE(check_switched(response(without(good, "Connection: Upgrade\r\n")), Upgrade::kWebSocket));
  EXPECT_FALSE(check_switched(response(without(good, "Upgrade: WebSocket\r\n")), Upgrade::kWebSocket));
  EXPECT_FALSE(check_switched(response(without(good, "WebSocket", "websocket, h2c")), Upgrade::kWebSocket));
}

TEST(EnvironmentUse, ABusyKernelIsSeen) {
  EXPECT_TRUE(shows_busy_kernel(R"([{"execution_state":"idle"},{"id":"1","execution_state":"busy"}])"));
  EXPECT_FALSE(shows_busy_kernel(R"([{"execution_state":"idle"}])"));
  for (const char* odd : {"", "[]", "{}", R"({"execution_state":"busy"})", R"([{"execution_state":5}])",
                          "[1]", "[", R"([{"execution_state":"busy"}] x)"}) {
    EXPECT_FALSE(shows_busy_kernel(odd)) << odd;
  }
}

TEST(EnvironmentUse, APingAloneIsNoUse) {
  EXPECT_TRUE(is_lone_ping(std::string("\x89\x00", 2)));
  EXPECT_TRUE(is_lone_ping(std::string("\x8A\x80mask", 6)));
  EXPECT_TRUE(is_lone_ping(std::string("\x8A\x81maskx", 7)));
  EXPECT_FALSE(is_lone_ping(std::string("\x81\x80mask", 6)));
  EXPECT_FALSE(is_lone_ping(std::string("\x8A\x80mask\x81", 7)));
  EXPECT_FALSE(is_lone_ping(""));
}

class Tokens : public ::testing::Test {
 protected:
  static constexpr TimePoint kNow{std::chrono::seconds{1'800'000'000}};
  SeededRng rng{1};
  UsedTokens used{1'800'000'000 - 600};
};

TEST_F(Tokens, OneServesOnceWhileItLives) {
  const auto pass = identity::make_pass("k", identity::kTokenLife, kNow, rng);
  EXPECT_TRUE(used.use(pass, kNow));
  EXPECT_FALSE(used.use(pass, kNow));
  EXPECT_TRUE(used.use(identity::make_pass("k", identity::kTokenLife, kNow, rng), kNow));
  EXPECT_FALSE(
      used.use(identity::make_pass("k", identity::kTokenLife, kNow, rng), kNow + identity::kTokenLife));
}

TEST_F(Tokens, OneFromBeforeTheRestartIsRefused) {
  UsedTokens fresh{1'800'000'000};
  EXPECT_FALSE(
      fresh.use(identity::make_pass("k", identity::kTokenLife, kNow - std::chrono::seconds{1}, rng), kNow));
  EXPECT_TRUE(fresh.use(identity::make_pass("k", identity::kTokenLife, kNow, rng), kNow));
}

TEST_F(Tokens, TheSetIsBoundedAndForgetsOnlyWhatHasExpired) {
  const auto first = identity::make_pass("k", identity::kTokenLife, kNow, rng);
  EXPECT_TRUE(used.use(first, kNow));
  for (std::size_t i = 1; i < UsedTokens::kMax; ++i) {
    ASSERT_TRUE(used.use(identity::make_pass("k", identity::kTokenLife, kNow, rng), kNow));
  }
  EXPECT_FALSE(used.use(identity::make_pass("k", identity::kTokenLife, kNow, rng), kNow))
      << "it would forget one";
  EXPECT_FALSE(used.use(first, kNow));
  const auto later = kNow + identity::kTokenLife;
  EXPECT_TRUE(used.use(identity::make_pass("k", identity::kTokenLife, later, rng), later));
  EXPECT_EQ(used.size(), 1U);
}

}  // namespace
}  // namespace millrace::gateway
