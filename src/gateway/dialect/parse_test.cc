// What each dialect makes of the parts of a body that a table row cannot show: messages, items, blocks, and their errors.
#include <gtest/gtest.h>

#include <filesystem>

#include "gateway/dialect/test_support.h"
#include "host/file.h"

namespace millrace::gateway::dialect {
namespace {

using Role = engine::Message::Role;

engine::Request accept(const Dialect& dialect, const std::string& body) {
  const auto parsed = dialect.parse(body);
  EXPECT_TRUE(parsed.has_value()) << parsed.error().param << ": " << parsed.error().message;
  return parsed ? parsed->request : engine::Request{};
}

ApiError refuse(const Dialect& dialect, const std::string& body) {
  const auto parsed = dialect.parse(body);
  EXPECT_FALSE(parsed.has_value()) << body;
  return parsed ? ApiError{} : parsed.error();
}

std::string chat(const std::string& messages, const std::string& more = "") {
  return R"({"model":"m","messages":[)" + messages + "]" + more + "}";
}

TEST(ChatParse, AConversationWithToolsBecomesMessages) {
  const auto request = accept(*make_chat(), chat(R"({"role":"system","content":"s"},
      {"role":"user","name":"u","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}]},
      {"role":"assistant","content":null,"reasoning_content":"r","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]},
      {"role":"tool","tool_call_id":"c1","content":"42"})"));
  ASSERT_EQ(request.messages.size(), 4U);
  EXPECT_EQ(request.messages[1].content[1].kind, engine::ContentPart::Kind::kImageUrl);
  EXPECT_EQ(request.messages[1].name, "u");
  EXPECT_EQ(request.messages[2].tool_calls.at(0).name, "f");
  EXPECT_EQ(request.messages[2].reasoning, "r");
  EXPECT_EQ(request.messages[3].role, Role::kTool);
  EXPECT_EQ(request.messages[3].tool_call_id, "c1");
}

TEST(ChatParse, AMessageOfOurOwnAnswerMayComeBackAsClientsDumpIt) {
  const auto request = accept(
      *make_chat(), chat(R"({"role":"assistant","content":"x","refusal":null,"annotations":[],"audio":null,
      "function_call":null,"tool_calls":null},{"role":"user","content":"y"})"));
  EXPECT_EQ(request.messages.size(), 2U);
}

// What the SDKs' parse() adds to an answer comes back with it, as objects or as null.
TEST(ChatParse, AMessageThatAClientHasParsedMayComeBackAsClientsDumpIt) {
  const auto request =
      accept(*make_chat(), chat(R"({"role":"assistant","content":"{}","parsed":{"city":"Paris"}},
      {"role":"assistant","content":null,"parsed":null,"tool_calls":[{"id":"c1","type":"function","function":
        {"name":"f","arguments":"{}","parsed_arguments":{"x":1}}}]},
      {"role":"user","content":[{"type":"text","text":"y","later":null}],"later":null})"));
  ASSERT_EQ(request.messages.size(), 3U);
  EXPECT_EQ(request.messages[0].content.at(0).value, "{}");
  EXPECT_EQ(request.messages[1].tool_calls.at(0).arguments, "{}");
}

TEST(ChatParse, TheNewerNameOfTheTokenLimitWins) {
  const auto request = accept(
      *make_chat(), chat(R"({"role":"user","content":"x"})", R"(,"max_completion_tokens":7,"max_tokens":9)"));
  EXPECT_EQ(request.sampling.max_tokens, 7);
}

TEST(ChatParse, ErrorsNameThePlaceAndTheCodeThatOpenAiUses) {
  const auto dialect = make_chat();
  const std::string user = R"({"role":"user","content":"x"})";
  struct Case {
    std::string body, param, code;
  };
  const std::vector<Case> cases{
      {chat(""), "messages", "empty_array"},
      {chat(user, R"(,"max_tokens":0)"), "max_tokens", "integer_below_min_value"},
      {chat(user, R"(,"temperature":2.1)"), "temperature", "decimal_above_max_value"},
      {chat(user, R"(,"temperature":"hot")"), "temperature", "invalid_type"},
      {chat(user, R"(,"n":129)"), "n", "integer_above_max_value"},
      {chat(user, R"(,"store":true)"), "store", "unsupported_parameter"},
      {chat(user, R"(,"top_logprobs":2)"), "top_logprobs", "invalid_value"},
      {chat(user, R"(,"stream_options":{"include_usage":true})"), "stream_options", "invalid_value"},
      {chat(user, R"(,"stop":["a","b","c","d","e"])"), "stop", "array_above_max_length"},
      {chat(user, R"(,"tool_choice":"required")"), "tool_choice", "invalid_value"},
      {chat(user, R"(,"reasoning_effort":"vast")"), "reasoning_effort", "invalid_value"},
      {chat(R"({"role":"user","content":7})"), "messages[0].content", "invalid_type"},
      {chat(R"({"role":"user"})"), "messages[0].content", "missing_required_parameter"},
      {chat(R"({"content":"x"})"), "messages[0].role", "missing_required_parameter"},
      {chat(R"({"role":"alien","content":"x"})"), "messages[0].role", "invalid_value"},
      {chat(R"({"role":"user","content":"x","colour":1})"), "messages[0].colour", "unknown_parameter"},
      {chat(R"({"role":"user","content":[{"type":"input_audio"}]})"), "messages[0].content[0].type",
       "unsupported_parameter"},
      {chat(R"({"role":"user","content":[{"type":"image_url","image_url":{"url":"file:///etc/passwd"}}]})"),
       "messages[0].content[0].image_url.url", "invalid_value"},
      {chat(R"({"role":"tool","content":"x"})"), "messages[0].tool_call_id", "missing_required_parameter"},
      {chat(R"({"role":"assistant"})"), "messages[0].content", "missing_required_parameter"},
      {chat(user, R"(,"tools":[{"type":"function","function":{"name":"a b"}}])"), "tools[0].function.name",
       "invalid_value"},
      {chat(
           user,
           R"(,"tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"f"}}])"),
       "tools[1].function", "invalid_value"},
      {chat(
           user,
           R"(,"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"g"}})"),
       "tool_choice.function.name", "invalid_value"},
      {chat(user, R"(,"response_format":{"type":"json_schema"})"), "response_format.json_schema",
       "missing_required_parameter"},
  };
  for (const auto& one : cases) {
    const auto error = refuse(*dialect, one.body);
    EXPECT_EQ(error.status, 400) << one.body;
    EXPECT_EQ(error.param, one.param) << one.body;
    EXPECT_EQ(error.code, one.code) << one.body;
  }
}

// Whatever a vendor's API allows and no engine here can honour is told apart from what the vendor would refuse, too.
TEST(Parse, ValuesOfAVendorsApiThatCannotBeHonouredAreUnsupported) {
  const std::string user = R"({"role":"user","content":"x"})";
  const auto part = [](const std::string& one) { return chat(R"({"role":"user","content":[)" + one + "]}"); };
  const auto response = [](const std::string& more, const std::string& input = "\"x\"") {
    return R"({"model":"m","input":)" + input + more + "}";
  };
  const auto message = [](const std::string& content, const std::string& more = "") {
    return R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":)" + content + "}]" + more +
           "}";
  };
  struct Case {
    std::string path, body, param;
  };
  const std::string chats = "/v1/chat/completions", responses = "/v1/responses", messages = "/v1/messages";
  const std::vector<Case> cases{
      {chats, part(R"({"type":"input_audio","input_audio":{}})"), "messages[0].content[0].type"},
      {chats, part(R"({"type":"file","file":{"file_id":"f"}})"), "messages[0].content[0].type"},
      {chats, chat(R"({"role":"function","name":"f","content":"x"})"), "messages[0].role"},
      {chats, chat(user, R"(,"tools":[{"type":"custom","custom":{"name":"c"}}])"), "tools[0].type"},
      {chats, chat(user, R"(,"tool_choice":{"type":"allowed_tools","allowed_tools":{}})"),
       "tool_choice.type"},
      {chats, chat(user, R"(,"n":9)"), "n"},
      {chats, chat(user, R"(,"n":128)"), "n"},
      {chats, chat(user, R"(,"reasoning_effort":"xhigh")"), "reasoning_effort"},
      {"/v1/completions", R"({"model":"m","prompt":"x","n":9})", "n"},
      {responses, response(R"(,"truncation":"auto")"), "truncation"},
      {responses, response(R"(,"include":["reasoning.encrypted_content"])"), "include[0]"},
      {responses, response(R"(,"tools":[{"type":"web_search"}])"), "tools[0].type"},
      {responses, response(R"(,"tool_choice":{"type":"file_search"})"), "tool_choice.type"},
      {responses, response("", R"([{"type":"item_reference","id":"msg_1"}])"), "input[0].type"},
      {responses, response("", R"([{"role":"user","content":[{"type":"input_file","file_id":"f"}]}])"),
       "input[0].content[0].type"},
      {responses, response(R"(,"reasoning":{"effort":"max"})"), "reasoning.effort"},
      {messages, message(R"([{"type":"document","source":{}}])"), "messages[0].content[0].type"},
      {messages, message(R"([{"type":"image","source":{"type":"file","file_id":"f"}}])"),
       "messages[0].content[0].source.type"},
      {messages, message(R"([{"type":"tool_result","tool_use_id":"t","content":[{"type":"image"}]}])"),
       "messages[0].content[0].content[0].type"},
      {messages, message("\"x\"", R"(,"tools":[{"type":"bash_20250124","name":"bash"}])"), "tools[0].type"},
      {messages, message("\"x\"", R"(,"thinking":{"type":"adaptive","display":"omitted"})"),
       "thinking.display"},
      {messages, message("\"x\"", R"(,"output_config":{"effort":"xhigh"})"), "output_config.effort"},
  };
  for (const auto& dialect : make_dialects()) {
    for (const auto& one : cases) {
      if (one.path != dialect->path()) continue;
      const auto error = refuse(*dialect, one.body);
      EXPECT_EQ(error.code, "unsupported_parameter") << one.body;
      EXPECT_EQ(error.param, one.param) << one.body;
      EXPECT_TRUE(error.message.contains("'" + one.param + "'")) << error.message;
    }
  }
}

TEST(ChatParse, DuplicateKeysDeepNestingAndInvalidUtf8AreRefused) {
  const auto dialect = make_chat();
  EXPECT_EQ(refuse(*dialect, R"({"model":"a","model":"b","messages":[]})").code, "invalid_json");
  EXPECT_EQ(refuse(*dialect, chat(std::string(100, '[') + std::string(100, ']'))).code, "invalid_json");
  EXPECT_EQ(refuse(*dialect, chat("{\"role\":\"user\",\"content\":\"\xff\"}")).code, "invalid_json");
  EXPECT_EQ(refuse(*dialect, "[]").code, "invalid_json");
  EXPECT_EQ(refuse(*dialect, "").code, "invalid_json");
}

TEST(ChatParse, TextOfAClientIsCutBeforeAnErrorRepeatsIt) {
  const auto error = refuse(*make_chat(), "{\"" + std::string(100000, 'x') + "\":1}");
  EXPECT_LT(error.message.size(), 300U);
  EXPECT_LT(error.param.size(), 200U);
}

TEST(TextParse, SeveralPromptsAreOneRequestUpToWhatOneAnswerMayHold) {
  const auto dialect = make_completions();
  const auto request = accept(*dialect, R"({"model":"m","prompt":["a","b"],"n":2})");
  EXPECT_EQ(request.prompts, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(engine::choice_count(request), 4);
  std::string many = R"(["x")";
  for (int i = 1; i < 65; ++i) many += R"(,"x")";
  EXPECT_EQ(engine::choice_count(accept(*dialect, R"({"model":"m","prompt":)" + many + "]}")), 65);
  const auto error = refuse(*dialect, R"({"model":"m","n":2,"prompt":)" + many + "]}");
  EXPECT_EQ(error.param, "prompt");
  EXPECT_EQ(error.code, "unsupported_parameter");
}

// LangChain's embeddings send ids of a tokenizer of their own unless told otherwise.
TEST(TextParse, TokenIdsAreRefusedWithTheSwitchThatMakesAClientSendText) {
  const auto prompt = refuse(*make_completions(), R"({"model":"m","prompt":[1,2]})");
  const auto input = refuse(*make_embeddings(), R"({"model":"m","input":[[1,2]]})");
  for (const auto& error : {prompt, input}) EXPECT_EQ(error.code, "unsupported_parameter");
  EXPECT_TRUE(input.message.contains("check_embedding_ctx_length=False")) << input.message;
}

TEST(ResponsesParse, ItemsOfOneTurnBecomeOneAssistantMessage) {
  const auto request = accept(*make_responses(), R"({"model":"m","instructions":"i","input":[
      {"role":"user","content":[{"type":"input_text","text":"q"}]},
      {"type":"reasoning","id":"rs_1","summary":[],"content":[{"type":"reasoning_text","text":"r"}]},
      {"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"a","annotations":[],"logprobs":[]}]},
      {"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":"{}","status":"completed"},
      {"type":"function_call_output","call_id":"c1","output":"42"}],
      "text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object"},"strict":true}}})");
  ASSERT_EQ(request.messages.size(), 4U);
  EXPECT_EQ(request.messages[0].role, Role::kSystem);
  EXPECT_EQ(request.messages[2].reasoning, "r");
  EXPECT_EQ(request.messages[2].content.at(0).value, "a");
  EXPECT_EQ(request.messages[2].tool_calls.at(0).id, "c1");
  EXPECT_EQ(request.messages[3].content.at(0).value, "42");
  EXPECT_EQ(request.format.schema, R"({"type":"object"})");
  EXPECT_TRUE(request.format.strict);
}

// The official client names every member that a newer API has, null where the answer had none.
TEST(ResponsesParse, ItemsOfOurOwnAnswerMayComeBackAsClientsDumpThem) {
  const auto request =
      accept(*make_responses(), R"({"model":"m","input":[{"role":"user","content":"q","later":null},
      {"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":"{}","status":"completed",
       "caller":null,"namespace":null,"parsed_arguments":{"x":1}},
      {"type":"message","id":"msg_1","status":"completed","role":"assistant","phase":null,"content":[
       {"type":"output_text","text":"{}","annotations":[],"logprobs":null,"parsed":{"city":"Paris"}}]}]})");
  ASSERT_EQ(request.messages.size(), 2U);
  EXPECT_EQ(request.messages[1].tool_calls.at(0).arguments, "{}");
  EXPECT_EQ(request.messages[1].content.at(0).value, "{}");
}

TEST(ResponsesParse, WhatNeedsStoredStateIsRefused) {
  const auto dialect = make_responses();
  EXPECT_EQ(refuse(*dialect, R"({"model":"m","input":"x","previous_response_id":"resp_1"})").param,
            "previous_response_id");
  EXPECT_EQ(refuse(*dialect, R"({"model":"m","input":"x","store":true})").param, "store");
  EXPECT_EQ(refuse(*dialect, R"({"model":"m","input":[{"type":"reasoning","summary":[]}]})").param, "input");
  EXPECT_EQ(refuse(*dialect, R"({"model":"m","input":[{"role":"user","content":"x","colour":1}]})").param,
            "input[0].colour");
}

TEST(MessagesParse, BlocksBecomeMessagesWithToolResultsFirst) {
  const auto request = accept(
      *make_messages(),
      R"({"model":"m","max_tokens":9,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],
      "messages":[{"role":"user","content":"q"},
      {"role":"assistant","content":[{"type":"thinking","thinking":"r","signature":""},{"type":"text","text":"a"},{"type":"tool_use","id":"t1","name":"f","input":{"x":1}}]},
      {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"42"}]},{"type":"text","text":"go on"}]}],
      "tools":[{"name":"f","description":"d","input_schema":{"type":"object"}}],"tool_choice":{"type":"tool","name":"f"}})");
  ASSERT_EQ(request.messages.size(), 5U);
  EXPECT_EQ(request.messages[0].role, Role::kSystem);
  EXPECT_EQ(request.messages[2].reasoning, "r");
  EXPECT_EQ(request.messages[2].tool_calls.at(0).arguments, R"({"x":1})");
  EXPECT_EQ(request.messages[3].role, Role::kTool);
  EXPECT_EQ(request.messages[3].content.at(0).value, "42");
  EXPECT_EQ(request.messages[4].content.at(0).value, "go on");
  EXPECT_EQ(request.tools.at(0).parameters, R"({"type":"object"})");
  EXPECT_EQ(request.tool_choice.name, "f");
}

TEST(MessagesParse, ABlockOfOurOwnAnswerMayComeBackAsClientsDumpIt) {
  const auto request =
      accept(*make_messages(), R"({"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":[
      {"type":"text","text":"{}","citations":null,"later":null,"parsed_output":{"city":"Paris"}},
      {"type":"tool_use","id":"t1","name":"f","input":{},"caller":null,"toolset_name":null}]}]})");
  ASSERT_EQ(request.messages.size(), 1U);
  EXPECT_EQ(request.messages[0].content.at(0).value, "{}");
}

TEST(MessagesParse, ErrorsNameThePlace) {
  const auto dialect = make_messages();
  const std::string head = R"({"model":"m","max_tokens":9,"messages":[)";
  EXPECT_EQ(refuse(*dialect, R"({"model":"m","messages":[{"role":"user","content":"x"}]})").param,
            "max_tokens");
  EXPECT_EQ(refuse(*dialect, head + "]}").param, "messages");
  EXPECT_EQ(refuse(*dialect, head + R"({"role":"tool","content":"x"}]})").param, "messages[0].role");
  EXPECT_EQ(refuse(*dialect, head + R"({"role":"user","content":[{"type":"document"}]}]})").param,
            "messages[0].content[0].type");
  EXPECT_EQ(refuse(*dialect, head + R"({"role":"user","content":"x"}],"temperature":1.5})").param,
            "temperature");
  EXPECT_EQ(refuse(*dialect, head + R"({"role":"user","content":"x"}],"mcp_servers":[]})").code,
            "unsupported_parameter");
}

// No file of the suite is a request, so each must be refused, and what is not JSON must be refused as such.
TEST(JsonSuite, EveryFileIsRefusedByEveryDialectAndNeverCrashes) {
  const std::string folder = std::string(MILLRACE_TEST_DATA) + "/jsontestsuite/test_parsing";
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const auto name = entry.path().filename().string();
    const auto text = host::read_file(entry.path().string(), 16 << 20);
    ASSERT_TRUE(text.has_value()) << text.error().message;
    ++files;
    for (const auto& dialect : make_dialects()) {
      const auto parsed = dialect->parse(*text);
      ASSERT_FALSE(parsed.has_value()) << name;
      EXPECT_EQ(parsed.error().status, 400) << name;
      if (name.starts_with("n_")) EXPECT_EQ(parsed.error().code, "invalid_json") << name;
      // The error itself must be good JSON, whatever of the body it repeats.
      EXPECT_TRUE(boost::json::parse(dialect->render_error(parsed.error(), test_meta())).is_object()) << name;
    }
  }
  EXPECT_GT(files, 300);
}

}  // namespace
}  // namespace millrace::gateway::dialect
