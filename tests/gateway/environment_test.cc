// Environments behind the gateway: who comes in, what passes through, and what must not.
#include <gtest/gtest.h>
#include <unistd.h>

#include "identity/environment_pass.h"
#include "world.h"

namespace millrace::testing {
namespace {

using identity::PassKind;

/// Stands for the program in an environment: keeps what it is asked, and does as the path says.
class Program final : public net::ServerHandler {
 public:
  struct Asked {
    std::string target, host, body;
    std::map<std::string, std::string> headers;
  };
  void on_request(net::Exchange& exchange) override {
    const auto& head = exchange.head();
    Asked& now = asked.emplace_back(
        Asked{std::string(head.target), std::string(head.host), std::string(exchange.body()), {}});
    for (const auto& header : head.headers) now.headers[std::string(header.name)] = header.value;
    if (head.path == "/ws" || head.path == "/") {
      if (const auto protocol = head.find("upgrade")) {
        const std::string answer(head.path == "/ws" && lies ? "h2c" : *protocol);
        const net::Header headers[] = {{"connection", "Upgrade"},
                                       {"upgrade", answer},
                                       {"sec-websocket-accept", "yes"},
                                       {"x-other", "1"}};
        exchange.switch_protocols(headers);
        tunnel = &exchange;
        return;
      }
    }
    const net::Header headers[] = {{"set-cookie", "own=1; Domain=localhost"},
                                   {"set-cookie", "millrace_env=evil"}};
    if (head.path == "/api/kernels") {
      return exchange.respond(200, "application/json", headers, R"([{"execution_state":"busy"}])");
    }
    if (head.path == "/.millrace/notice") tunnel->write(exchange.body());
    exchange.respond(200, "text/plain", headers, "hello from inside");
  }
  void on_tunnel(net::Exchange& exchange, std::string_view bytes) override { exchange.write(bytes); }
  void on_closed(net::Exchange&) override { ++closed; }

  std::vector<Asked> asked;
  net::Exchange* tunnel = nullptr;
  int closed = 0;
  bool lies = false;
};

class Environment : public ::testing::Test {
 protected:
  explicit Environment(bool tls = false) : world(tls), scheme(tls ? "https://" : "http://") {
    policy.name = "nb";
    policy.tenant = "t";
    policy.project = "p";
    policy.kind = "jupyter";
    policy.state = identity::EnvironmentState::kRunning;
    policy.socket = world.folder() + "/nb.sock";
    policy.secret.fill(9);
    server = net::HttpServer::listen(world.loop(), net::ListenAddress::unix_socket(policy.socket), {},
                                     nullptr, program)
                 .value();
    put();
  }
  void put() { world.change({{"environment/nb", identity::encode(policy)}}); }
  std::string sealed(PassKind kind, const std::string& key = "k_1", const std::string& name = "nb") {
    return seal(identity::make_pass(key, identity::kTokenLife, world.now(), rng), kind, policy.secret, name);
  }
  std::string cookie() { return "other=2; millrace_env=" + sealed(PassKind::kCookie) + "; more=3"; }
  std::string host() const { return "nb.localhost:" + std::to_string(world.port()); }
  std::string origin() const { return scheme + host(); }

  std::unique_ptr<Call> done(World::Request request) {
    if (request.host.empty()) request.host = host();
    auto call = world.send(request);
    EXPECT_TRUE(world.until([&] { return call->done || call->failed; }));
    return call;
  }
  std::unique_ptr<Call> get(const std::string& path, const std::string& cookies,
                            std::vector<net::Header> more = {}) {
    if (!cookies.empty()) more.push_back({"cookie", cookies});
    return done({.path = path, .headers = std::move(more)});
  }
  std::unique_ptr<Call> stream(const std::string& authorization) {
    auto call = world.send({.path = "/.millrace/stream",
                            .host = host(),
                            .headers = {{"connection", "upgrade"},
                                        {"upgrade", "millrace-stream"},
                                        {"authorization", authorization},
                                        {"cookie", cookie()}},
                            .upgrade = true});
    EXPECT_TRUE(world.until([&] { return call->status != 0 || call->failed; }));
    return call;
  }
  std::unique_ptr<Call> websocket(const std::string& cookies, const std::string& from) {
    auto call = world.send({.path = "/ws",
                            .host = host(),
                            .headers = {{"connection", "Upgrade"},
                                        {"upgrade", "websocket"},
                                        {"sec-websocket-version", "13"},
                                        {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="},
                                        {"origin", from},
                                        {"cookie", cookies}},
                            .upgrade = true});
    EXPECT_TRUE(world.until([&] { return call->status != 0 || call->failed; }));
    return call;
  }

  World world;
  const std::string scheme;
  SeededRng rng{11};
  Program program;
  identity::EnvironmentPolicy policy;
  std::unique_ptr<net::HttpServer> server;
};

TEST_F(Environment, WithoutACookieNothingReachesItAndThePageSaysHow) {
  for (const std::string& cookies :
       {std::string(), std::string("millrace_env=1.k_1.x.y"), "millrace_env=" + sealed(PassKind::kToken),
        "millrace_env=" + sealed(PassKind::kCookie, "k_1", "other"),
        "millrace_env=" + sealed(PassKind::kCookie, "k_unknown")}) {
    const auto call = get("/lab", cookies, {{"accept", "text/html"}});
    EXPECT_EQ(call->status, 401) << cookies;
    EXPECT_NE(call->body.find("millrace env open nb"), std::string::npos);
  }
  EXPECT_TRUE(program.asked.empty());
}

TEST_F(Environment, ATokenIsChangedForACookieOnce) {
  const std::string path = "/.millrace/open?token=" + sealed(PassKind::kToken);
  const auto first = get(path, "");
  EXPECT_EQ(first->status, 303);
  EXPECT_EQ(first->headers["location"], "/");
  EXPECT_EQ(first->headers["referrer-policy"], "no-referrer");
  const std::string set = first->headers["set-cookie"];
  EXPECT_NE(set.find("; HttpOnly; SameSite=Lax"), std::string::npos) << set;
  EXPECT_EQ(set.find("Domain"), std::string::npos) << set;
  EXPECT_EQ(get(path, "")->status, 403) << "a token served twice";
  const std::string cookies = set.substr(0, set.find(';'));
  EXPECT_EQ(get("/lab", cookies)->body, "hello from inside");
  EXPECT_EQ(get(path, cookies)->status, 303) << "a browser that is in may load the link again";
  EXPECT_EQ(get("/.millrace/open?token=" + sealed(PassKind::kCookie), "")->status, 403);
  EXPECT_EQ(get("/.millrace/open", "")->status, 403);
}

class EnvironmentOverTls : public Environment {
 protected:
  EnvironmentOverTls() : Environment(true) {}
};

TEST_F(EnvironmentOverTls, ItsCookieIsSecureAndBoundToItsHostAndItsOwnPagesMayOpenWebSockets) {
  const auto opened = get("/.millrace/open?token=" + sealed(PassKind::kToken), "");
  ASSERT_EQ(opened->status, 303) << opened->body;
  const std::string set = opened->headers["set-cookie"];
  EXPECT_TRUE(set.starts_with("__Host-millrace_env=")) << set;
  EXPECT_TRUE(set.ends_with("; Secure")) << set;
  const std::string cookies = set.substr(0, set.find(';'));
  EXPECT_EQ(get("/lab", cookies)->body, "hello from inside");
  EXPECT_EQ(program.asked.back().headers["x-forwarded-proto"], "https");
  EXPECT_EQ(get("/lab", cookie())->status, 401) << "a cookie without the prefix may be a neighbour's";
  EXPECT_EQ(websocket(cookies, origin())->status, 101);
  EXPECT_EQ(websocket(cookies, "http://" + host())->status, 403);
  world.as_workload = true;
  EXPECT_EQ(get("/lab", cookies)->status, 401) << "a cookie for TLS is none in plain HTTP";
}

TEST_F(Environment, ItSeesTheRequestWithoutOurSecrets) {
  const auto call = get("/lab?x=1", cookie(),
                        {{"authorization", "Bearer " + world.key_text}, {"x-forwarded-for", "6.6.6.6"}});
  ASSERT_EQ(call->status, 200);
  ASSERT_EQ(program.asked.size(), 1U);
  const auto& asked = program.asked[0];
  EXPECT_EQ(asked.target, "/lab?x=1");
  EXPECT_EQ(asked.host, host());
  EXPECT_EQ(asked.headers.at("cookie"), "other=2; more=3");
  EXPECT_FALSE(asked.headers.contains("authorization"));
  EXPECT_TRUE(asked.headers.at("x-forwarded-for").starts_with("127.0.0.1"));
  EXPECT_EQ(call->headers["set-cookie"], "own=1");
}

TEST_F(Environment, AnotherOriginCannotWriteOrOpenAWebSocket) {
  const auto post = [&](const std::string& from) {
    const std::string cookies = cookie();
    std::vector<net::Header> headers{{"cookie", cookies}};
    if (!from.empty()) headers.push_back({"origin", from});
    return done({.method = net::Method::kPost, .path = "/api/contents", .body = "{}", .headers = headers})
        ->status;
  };
  const std::string own = origin();
  for (const std::string& from :
       {std::string(), std::string("null"), "http://localhost:" + std::to_string(world.port()),
        std::string("http://evil.localhost"), "https://" + host()}) {
    EXPECT_EQ(post(from), 403) << from;
    EXPECT_EQ(websocket(cookie(), from)->status, 403) << from;
  }
  EXPECT_TRUE(program.asked.empty());
  EXPECT_EQ(post(own), 200);
}

TEST_F(Environment, AWebSocketCarriesBytesBothWaysAndEndsWithItsKey) {
  const std::string own = origin();
  auto call = websocket(cookie(), own);
  ASSERT_EQ(call->status, 101);
  EXPECT_EQ(call->headers["sec-websocket-accept"], "yes");
  EXPECT_FALSE(call->headers.contains("x-other"));
  world.client().write(call->id, "\x81\x02hi");
  EXPECT_TRUE(world.until([&] { return call->body == "\x81\x02hi"; }));
  world.change({}, {"key/k_1"});
  EXPECT_TRUE(world.until([&] { return call->done || call->failed; })) << "its key was revoked";
  EXPECT_TRUE(world.until([&] { return program.closed == 1; }));
}

TEST_F(Environment, AProtocolThatWasNotAskedForIsNotPassedOn) {
  program.lies = true;
  const std::string own = origin();
  const auto call = websocket(cookie(), own);
  EXPECT_EQ(call->status, 502);
}

TEST_F(Environment, ItsWebSocketsEndWhenItStops) {
  const std::string own = origin();
  auto call = websocket(cookie(), own);
  ASSERT_EQ(call->status, 101);
  policy.state = identity::EnvironmentState::kStopped;
  put();
  EXPECT_TRUE(world.until([&] { return call->done || call->failed; }));
}

TEST_F(Environment, AKeyOfAnotherProjectOrRoleOpensNothing) {
  policy.project = "q";
  put();
  EXPECT_EQ(get("/lab", cookie())->status, 401);
  EXPECT_EQ(get("/.millrace/open?token=" + sealed(PassKind::kToken), "")->status, 403);
  policy.project = "p";
  put();
  world.set_role(identity::Role::kViewer);
  EXPECT_EQ(get("/lab", cookie())->status, 401);
  EXPECT_TRUE(program.asked.empty());
}

TEST_F(Environment, ItsHostNeverShowsTheConsoleOrTheApi) {
  for (const char* path : {"/console", "/api/v1/status", "/v1/models", "/healthz", "/metrics"}) {
    EXPECT_EQ(get(path, cookie())->body, "hello from inside") << path;
  }
  const auto gone =
      done({.path = "/console", .host = "gone.localhost", .headers = {{"accept", "text/html"}}});
  EXPECT_EQ(gone->status, 404);
  EXPECT_EQ(gone->headers["clear-site-data"], R"("cache", "storage")");
  EXPECT_EQ(done({.path = "/healthz", .host = "localhost"})->body, "ok\n");
}

TEST_F(Environment, AStoppedOneIsWokenByAPersonOnly) {
  policy.state = identity::EnvironmentState::kStopped;
  put();
  EXPECT_EQ(get("/api/kernels", cookie())->status, 503);
  EXPECT_TRUE(world.told.empty()) << "a forgotten page wakes it";
  const auto page = get("/lab", cookie(), {{"accept", "text/html"}});
  EXPECT_EQ(page->status, 503);
  EXPECT_NE(page->body.find(R"(http-equiv="refresh")"), std::string::npos);
  ASSERT_TRUE(world.until([&] { return !world.told.empty(); }));
  EXPECT_NE(world.told[0].find(R"("name":"nb")"), std::string::npos) << world.told[0];
  EXPECT_NE(world.told[0].find(R"("wake":true)"), std::string::npos) << world.told[0];
}

TEST_F(Environment, OneThatDoesNotListenYetShowsItsProgress) {
  server.reset();
  const auto page = get("/lab", cookie(), {{"accept", "text/html"}});
  EXPECT_EQ(page->status, 503);
  EXPECT_NE(page->body.find("nb is starting"), std::string::npos) << page->body;
}

TEST_F(Environment, ALinkInPlaceOfItsSocketLeadsNowhere) {
  ASSERT_EQ(get("/lab", cookie())->status, 200);
  const std::string other = world.folder() + "/other.sock";
  server.reset();
  program.asked.clear();
  server = net::HttpServer::listen(world.loop(), net::ListenAddress::unix_socket(other), {}, nullptr, program)
               .value();
  ::unlink(policy.socket.c_str());
  ASSERT_EQ(::symlink(other.c_str(), policy.socket.c_str()), 0);
  EXPECT_EQ(get("/lab", cookie())->status, 503);
  EXPECT_TRUE(program.asked.empty()) << "what is inside chose where the gateway goes";
}

TEST_F(Environment, UseIsToldAndPollingIsNone) {
  identity::EnvironmentPolicy other = policy;
  other.name = "other";
  world.change({{"environment/other", identity::encode(other)}});
  EXPECT_EQ(get("/api/sessions", cookie())->status, 200);
  const std::string cookies = "millrace_env=" + sealed(PassKind::kCookie, "k_1", "other");
  EXPECT_EQ(done({.path = "/lab", .host = "other.localhost", .headers = {{"cookie", cookies}}})->status, 200);
  ASSERT_TRUE(world.until([&] { return !world.told.empty(); }));
  EXPECT_NE(world.told[0].find(R"("name":"other")"), std::string::npos) << world.told[0];
  EXPECT_EQ(world.told[0].find(R"("name":"nb")"), std::string::npos) << world.told[0];
}

TEST_F(Environment, AKernelAtWorkIsAskedForBeforeItIsStopped) {
  EXPECT_EQ(get("/lab", cookie())->status, 200);
  world.told.clear();
  policy.stops_at_s = 1'999'999'999;
  put();
  ASSERT_TRUE(world.until([&] {
    return std::ranges::any_of(world.told, [](const auto& told) { return told.contains(R"("name":"nb")"); });
  })) << "nobody was told of the kernel that is busy";
  EXPECT_TRUE(program.asked.back().target.starts_with("/api/kernels"));
}

TEST_F(Environment, TheNoticeBeforeItStopsComesWithEachAnswer) {
  policy.stops_at_s = 1'800'000'000;
  put();
  EXPECT_EQ(get("/lab", cookie())->headers["x-millrace-stops-at"], "2027-01-15T08:00:00.000000Z");
}

TEST_F(Environment, AShellIsReachedByAStreamWithAKeyAndByNothingElse) {
  policy.kind = "shell";
  put();
  EXPECT_EQ(get("/", cookie())->status, 404);
  EXPECT_EQ(stream("Bearer mr_no")->status, 401);
  EXPECT_TRUE(program.asked.empty());
  auto call = stream("Bearer " + world.key_text);
  ASSERT_EQ(call->status, 101);
  EXPECT_EQ(program.asked[0].target, "/");
  EXPECT_FALSE(program.asked[0].headers.contains("authorization"));
  world.client().write(call->id, "SSH-2.0-x\r\n");
  EXPECT_TRUE(world.until([&] { return call->body == "SSH-2.0-x\r\n"; }));
}

TEST_F(Environment, WhoIsInAShellIsToldThatItStopsAndThatIsNoUseOfIt) {
  policy.kind = "shell";
  put();
  const auto call = stream("Bearer " + world.key_text);
  ASSERT_EQ(call->status, 101);
  ASSERT_TRUE(world.until([&] { return !world.told.empty(); })) << "that it was opened";
  world.told.clear();
  policy.stops_at_s = 1'800'000'000;
  put();
  ASSERT_TRUE(world.until([&] { return call->body.contains("nb: it stops at 2027-01-15T08:00:00"); }));
  const auto until =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(1500);  // more than one report
  EXPECT_TRUE(world.until([&] { return std::chrono::steady_clock::now() > until; }));
  EXPECT_TRUE(world.told.empty()) << world.told[0];
  EXPECT_EQ(program.asked.size(), 2U) << "once is enough";
  world.client().write(call->id, "x");
  EXPECT_TRUE(world.until([&] { return !world.told.empty(); }));
}

}  // namespace
}  // namespace millrace::testing
