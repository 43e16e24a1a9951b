#include "net/http_body.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::net {
namespace {

using State = ChunkedDecoder::State;

struct Decoded {
  std::string body;
  State state = State::kNeedMore;
  std::size_t rest = 0;
};

/// Feeds `bytes` in pieces of `cut` bytes.
Decoded decode(std::string_view bytes, std::size_t cut) {
  ChunkedDecoder decoder;
  Decoded out;
  while (!bytes.empty()) {
    std::string_view part = bytes.substr(0, cut);
    bytes.remove_prefix(part.size());
    while (true) {
      std::string_view piece;
      out.state = decoder.next(part, piece);
      if (out.state != State::kData) break;
      out.body += piece;
    }
    if (out.state != State::kNeedMore) {
      out.rest = part.size() + bytes.size();
      break;
    }
  }
  return out;
}

TEST(Chunked, DecodesTheSameHoweverItIsCut) {
  const std::string bytes =
      "5\r\nhello\r\n6;a=b ; c=\"q\\\"\xC3\xA9\"\r\n world\r\nA \t;x\r\n0123456789\r\n0000\r\nTrailer: "
      "x\r\nOther:\r\n\r\nNEXT";
  for (std::size_t cut = 1; cut <= bytes.size(); ++cut) {
    const auto out = decode(bytes, cut);
    EXPECT_EQ(out.state, State::kDone) << cut;
    EXPECT_EQ(out.body, "hello world0123456789") << cut;
    EXPECT_EQ(out.rest, 4U) << cut;
  }
}

TEST(Chunked, RefusesEveryBrokenForm) {
  for (const char* bytes : {"\r\n",
                            "g\r\n",
                            "-1\r\n",
                            "+1\r\n",
                            "0x5\r\nhello\r\n",
                            " 5\r\nhello\r\n",
                            "5 \r\nhello\r\n",
                            "5\nhello\n",
                            "5\rhello",
                            "5\r\nhello0\r\n\r\n",
                            "5\r\nhelloo\r\n",
                            "5\r\nhello\n0\r\n\r\n",
                            "5 5\r\n",
                            ";a\r\n",
                            "5;a\x01\r\nhello\r\n",
                            "5;a\"\n\r\n",
                            "fffffffffffffffff\r\n",
                            "20000000000\r\n",
                            "0\r\nbad trailer\r\n\r\n",
                            "0\r\n: v\r\n\r\n",
                            "0\r\nA: b\n\r\n",
                            "0\r\n folded\r\n\r\n",
                            "0\r\n\n"}) {
    EXPECT_EQ(decode(bytes, 1000).state, State::kBad) << bytes;
    EXPECT_EQ(decode(bytes, 1).state, State::kBad) << bytes;
  }
}

TEST(Chunked, BoundsLinesAndTrailers) {
  EXPECT_EQ(decode("1;" + std::string(2000, 'a') + "\r\n", 100).state, State::kBad);
  EXPECT_EQ(decode(std::string(2000, '0') + "1\r\n", 100).state, State::kBad);
  std::string trailers = "0\r\n";
  for (int i = 0; i < 1000; ++i) trailers += "Name: value value\r\n";
  EXPECT_EQ(decode(trailers, 100).state, State::kBad);
}

}  // namespace
}  // namespace millrace::net
