#include "net/http_head.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::net {
namespace {

using State = HeadResult::State;

HeadResult parse(std::string_view bytes, RequestHead& head) {
  return parse_request_head(bytes, HeadLimits{}, head);
}

TEST(RequestHead, ReadsAnOrdinaryRequest) {
  const std::string bytes =
      "POST /v1/chat?x=1 HTTP/1.1\r\nHost: a.example:8080\r\nContent-Length: 5\r\nX-Empty:\r\nX-Pad: \t v "
      "\t\r\n\r\nhello";
  RequestHead head;
  const auto result = parse(bytes, head);
  ASSERT_EQ(result.state, State::kDone);
  EXPECT_EQ(result.consumed, bytes.size() - 5);
  EXPECT_EQ(head.method, Method::kPost);
  EXPECT_EQ(head.path, "/v1/chat");
  EXPECT_EQ(head.query, "x=1");
  EXPECT_EQ(head.host, "a.example:8080");
  EXPECT_EQ(head.body, BodyKind::kLength);
  EXPECT_EQ(head.content_length, 5U);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_EQ(head.find("x-pad"), "v");
  EXPECT_EQ(head.find("X-EMPTY"), "");
  EXPECT_EQ(head.find("absent"), std::nullopt);
}

TEST(RequestHead, NeedsMoreForEveryProperPrefix) {
  const std::string bytes = "\r\nGET http://h/p HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\n";
  RequestHead head;
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_EQ(parse(std::string_view(bytes).substr(0, n), head).state, State::kNeedMore) << n;
  }
  EXPECT_EQ(parse(bytes, head).state, State::kDone);
  EXPECT_EQ(head.path, "/p");
}

TEST(RequestHead, ViewsFollowTheBytesWhenTheyMove) {
  const std::string here = "GET http://h HTTP/1.1\r\nHost: h\r\n\r\n";
  RequestHead head;
  ASSERT_EQ(parse(here, head).state, State::kDone);
  const std::string there(here.data(), here.size());  // the same bytes elsewhere
  head.rebase(here.data(), there.data());
  EXPECT_EQ(head.path, "/");
  EXPECT_EQ(head.headers[0].name.data(), there.data() + 23);
  EXPECT_EQ(head.host, "h");
}

TEST(RequestHead, KeepAliveFollowsVersionAndConnection) {
  const auto keeps = [](std::string_view version, std::string_view connection) {
    RequestHead head;
    std::string bytes = "GET / HTTP/" + std::string(version) + "\r\nHost: h\r\n";
    if (!connection.empty()) bytes += "Connection: " + std::string(connection) + "\r\n";
    EXPECT_EQ(parse(bytes + "\r\n", head).state, State::kDone);
    return head.keep_alive;
  };
  EXPECT_TRUE(keeps("1.1", ""));
  EXPECT_FALSE(keeps("1.1", "Upgrade, Close"));
  EXPECT_FALSE(keeps("1.0", ""));
  EXPECT_TRUE(keeps("1.0", "Keep-Alive"));
}

TEST(RequestHead, LimitsGiveTheirOwnStatus) {
  RequestHead head;
  const HeadLimits limits{.max_head_bytes = 512, .max_target_bytes = 64, .max_headers = 4};
  const auto status = [&](const std::string& bytes) {
    return parse_request_head(bytes, limits, head).status;
  };
  EXPECT_EQ(status("GET /" + std::string(64, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n"), 414);
  EXPECT_EQ(status("GET /" + std::string(200, 'a')), 414);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: h\r\nA: " + std::string(600, 'a') + "\r\n\r\n"), 431);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: h\r\nA: " + std::string(600, 'a')), 431);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: h\r\na:1\r\nb:1\r\nc:1\r\nd:1\r\n\r\n"), 431);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: h\r\na:1\r\nb:1\r\nc:1\r\n\r\n"), 0);
}

TEST(RequestHead, IsRefusedBeforeTheRestHasCome) {
  RequestHead head;
  EXPECT_EQ(parse("GET / HTTP/1.1\r\nHost : h\r\nMore", head).status, 400);
  EXPECT_EQ(parse("\x16\x03\x01", head).status, 400);
  EXPECT_EQ(parse("GET / HTTP/2.0\r\nHo", head).status, 505);
}

TEST(ResponseHead, DecidesTheBodyByStatusAndMethod) {
  const auto kind = [](std::string_view bytes, Method method) {
    ResponseHead head;
    EXPECT_EQ(parse_response_head(bytes, HeadLimits{}, method, head).state, State::kDone) << bytes;
    return head.body;
  };
  EXPECT_EQ(kind("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", Method::kGet), BodyKind::kLength);
  EXPECT_EQ(kind("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", Method::kHead), BodyKind::kNone);
  EXPECT_EQ(kind("HTTP/1.1 304 \r\nContent-Length: 3\r\n\r\n", Method::kGet), BodyKind::kNone);
  EXPECT_EQ(kind("HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n\r\n", Method::kGet), BodyKind::kChunked);
  EXPECT_EQ(kind("HTTP/1.0 200 OK\r\n\r\n", Method::kGet), BodyKind::kUntilClose);
  EXPECT_EQ(kind("HTTP/1.1 100 Continue\r\n\r\n", Method::kGet), BodyKind::kNone);
}

TEST(ResponseHead, RefusesWhatCouldBeReadInTwoWays) {
  ResponseHead head;
  for (const char* bytes :
       {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 99 Low\r\n\r\n", "HTTP/1.1 600 High\r\n\r\n", "HTTP/1.1 200 OK\nA: b\r\n\r\n",
        "HTTP/1.1 200 OK\r\n folded\r\n\r\n", "ICY 200 OK is not HTTP\r\n\r\n"}) {
    EXPECT_EQ(parse_response_head(bytes, HeadLimits{}, Method::kGet, head).state, State::kBad) << bytes;
  }
}

}  // namespace
}  // namespace millrace::net
