#include "engine/wire/tool_text.h"

#include <gtest/gtest.h>

#include "engine/request.h"

namespace millrace::engine::wire {
namespace {

std::string arguments_of(ToolText& reader, std::string_view text, std::size_t step) {
  std::string arguments;
  for (std::size_t at = 0; at < text.size(); at += step) arguments += reader.feed(text.substr(at, step));
  return arguments;
}

TEST(ToolText, FindsNameAndArgumentsWhereverTheTextIsCut) {
  const std::string text =
      "\n{ \"name\" : \"arguments\",\n \"arguments\" : {\"a\": \"}\\\"{\", \"b\": [{}]} }\n";
  for (std::size_t step = 1; step <= text.size(); ++step) {
    ToolText reader("");
    EXPECT_EQ(arguments_of(reader, text, step), "{\"a\": \"}\\\"{\", \"b\": [{}]}") << step;
    EXPECT_EQ(reader.name(), "arguments");
    EXPECT_TRUE(reader.complete());
  }
}

TEST(ToolText, TakesTheWholeTextAsArgumentsOfAKnownTool) {
  ToolText reader("f");
  EXPECT_EQ(arguments_of(reader, " {\"a\":1} trailing", 3), "{\"a\":1}");
  EXPECT_TRUE(reader.open());
}

TEST(ToolText, LosesNoSpaceInsideArgumentsThatAreNoObject) {
  ToolText reader("f");
  EXPECT_EQ(arguments_of(reader, " 1 2", 1), "1 2");
}

TEST(ToolText, GivesWhatThereIsOfACallThatWasCutShort) {
  ToolText reader("");
  EXPECT_EQ(arguments_of(reader, R"({"name":"f","arguments":{"a":"xy)", 4), R"({"a":"xy)");
  EXPECT_FALSE(reader.complete());
  ToolText unopened("");
  EXPECT_EQ(arguments_of(unopened, R"({"name":"f","argum)", 4), "");
  EXPECT_FALSE(unopened.open());
}

TEST(ToolText, HoldsNoMoreThanAHead) {
  ToolText reader("");
  EXPECT_EQ(arguments_of(reader, std::string(1 << 20, ' '), 1000), "");
  EXPECT_FALSE(reader.open());
}

TEST(PromptBytes, CountsAllTextThatAModelReads) {
  Request request;
  request.messages.push_back(
      {.content = {{ContentPart::Kind::kText, "abc"}, {ContentPart::Kind::kImageUrl, "https://x"}}});
  request.tools.push_back({"f", "d", "{}", false});
  EXPECT_EQ(prompt_bytes(request), 7U);
  request.task = Task::kEmbed;
  request.inputs = {"a", "bc"};
  EXPECT_EQ(prompt_bytes(request), 3U);
}

}  // namespace
}  // namespace millrace::engine::wire
