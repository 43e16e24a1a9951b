#include <gtest/gtest.h>

#include "net/http_chars.h"
#include "net/http_writer.h"
#include "net/sse.h"
#include "net/url.h"

namespace millrace::net {
namespace {

TEST(Chars, a_token_ends_at_the_first_byte_that_may_not_stand_in_one_wherever_it_is) {
  for (std::size_t length = 0; length <= 40; ++length) {
    const std::string name(length, 'x');
    EXPECT_EQ(token_length(name), length);
    for (std::size_t at = 0; at < length; ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string changed = name;
        changed[at] = static_cast<char>(byte);
        ASSERT_EQ(token_length(changed), is_token_char(changed[at]) ? length : at) << byte << " at " << at;
      }
    }
  }
  EXPECT_FALSE(is_token(""));
}

TEST(Writer, NoValueCanStartANewLine) {
  std::string out;
  append_header(out, "x-a", "one\r\nx-b: two");
  append_header(out, "bad name", "v");
  EXPECT_EQ(out, "x-a: one  x-b: two\r\n");
}

TEST(Writer, WritesHeadsChunksAndDates) {
  std::string out;
  append_status_line(out, 429);
  append_header(out, "content-length", std::uint64_t{18'446'744'073'709'551'615U});
  append_chunk(out, "");
  append_chunk(out, std::string(26, 'x'));
  append_last_chunk(out);
  EXPECT_EQ(out, "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 18446744073709551615\r\n1a\r\n" +
                     std::string(26, 'x') + "\r\n0\r\n\r\n");
  EXPECT_EQ(http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");  // the example of RFC 9110, 5.6.7
}

struct Events final : SseHandler {
  bool on_event(const SseEvent& event) override {
    seen += "[" + std::string(event.event) + "|" + std::string(event.data) + "]";
    return event.data != "stop";
  }
  std::string seen;
};

TEST(Sse, ReadsTheSameHoweverItIsCut) {
  const std::string bytes =
      "\xEF\xBB\xBF: comment\n\ndata: a\n\nevent: x\r\ndata:b\r\ndata:  c\r\n\r\nid: 7\rdata\r\rretry: "
      "1\n\ndata: lost";
  for (std::size_t cut = 1; cut <= bytes.size(); ++cut) {
    SseReader reader;
    Events events;
    for (std::size_t at = 0; at < bytes.size(); at += cut) {
      ASSERT_TRUE(reader.feed(std::string_view(bytes).substr(at, cut), events));
    }
    EXPECT_EQ(events.seen, "[|a][x|b\n c][|]") << cut;
  }
}

TEST(Sse, StopsWhenTheHandlerSaysSo) {
  SseReader reader;
  Events events;
  ASSERT_TRUE(reader.feed("data: 1\n\ndata: stop\n\ndata: 2\n\n", events));
  EXPECT_EQ(events.seen, "[|1][|stop]");
}

TEST(Sse, BoundsAnEvent) {
  Events events;
  SseReader lines(100);
  Result<void> result;
  for (int i = 0; i < 20 && result; ++i) result = lines.feed("data: 0123456789\n", events);
  EXPECT_FALSE(result);
  SseReader line(100);
  EXPECT_FALSE(line.feed(std::string(101, 'a'), events));
}

TEST(Sse, WriterAndReaderAgree) {
  std::string out;
  append_sse(out, "delta", "{\"a\":1}\nsecond");
  append_sse(out, "", "[DONE]");
  SseReader reader;
  Events events;
  ASSERT_TRUE(reader.feed(out, events));
  EXPECT_EQ(events.seen, "[delta|{\"a\":1}\nsecond][|[DONE]]");
}

TEST(Url, ReadsHttpHttpsAndUnix) {
  const auto plain = parse_url("http://127.0.0.1:8080/v1?x=1").value();
  EXPECT_EQ(plain.host, "127.0.0.1");
  EXPECT_EQ(plain.port, 8080);
  EXPECT_EQ(plain.target, "/v1?x=1");
  EXPECT_EQ(plain.upstream(nullptr).host_header(), "127.0.0.1:8080");
  const auto secure = parse_url("https://example.org").value();
  EXPECT_TRUE(secure.https);
  EXPECT_EQ(secure.port, 443);
  EXPECT_EQ(secure.target, "/");
  const auto six = parse_url("http://[::1]:81/a").value();
  EXPECT_EQ(six.host, "::1");
  EXPECT_EQ(six.upstream(nullptr).host_header(), "[::1]:81");
  const auto local = parse_url("unix:/run/x.sock:/api/v1").value();
  EXPECT_EQ(local.unix_path, "/run/x.sock");
  EXPECT_EQ(local.target, "/api/v1");
}

TEST(Url, RefusesTheRest) {
  for (const char* text :
       {"", "ftp://a/", "http://", "http://a:b/", "http://a:99999/", "http://u@h/", "http://a/ b",
        "http://a/#f", "unix:relative", "http://a b/", "http://[::1", "http://a:0/"}) {
    EXPECT_FALSE(parse_url(text)) << text;
  }
  for (const char* text : {"", "8080", "a:", "a:x", "::1:80", "a:70000"})
    EXPECT_FALSE(parse_host_port(text)) << text;
  EXPECT_EQ(parse_host_port("[::1]:80").value().host, "::1");
  EXPECT_EQ(parse_host_port(":0").value().host, "");
}

TEST(Url, KnowsLoopback) {
  for (const char* text : {"127.0.0.1", "127.9.9.9", "::1", "localhost"})
    EXPECT_TRUE(is_loopback(text)) << text;
  for (const char* text : {"", "0.0.0.0", "10.0.0.1", "127.evil.example", "::"})
    EXPECT_FALSE(is_loopback(text)) << text;
}

}  // namespace
}  // namespace millrace::net
