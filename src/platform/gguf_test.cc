#include "platform/gguf.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <set>

#include "core/rng.h"
#include "platform/gguf_builder.h"

namespace millrace::platform {
namespace {

using testing::GgufBuilder;
using testing::text;
using testing::u32;
using testing::u64;

/// A crafted file, and what the refusal must say: where, and what.
struct BadFile {
  std::string bytes, where, what;
};

class BadFiles {
 public:
  void add(const GgufBuilder& file, std::string where, std::string what) {
    files_.push_back({file.build(), std::move(where), std::move(what)});
  }
  void add(const std::function<void(GgufBuilder&)>& breakage, std::string where, std::string what) {
    GgufBuilder file = GgufBuilder::sound();
    breakage(file);
    add(file, std::move(where), std::move(what));
  }
  void add_bytes(std::string bytes, std::string where, std::string what) {
    files_.push_back({std::move(bytes), std::move(where), std::move(what)});
  }
  const std::vector<BadFile>& all() const { return files_; }

 private:
  std::vector<BadFile> files_;
};

constexpr std::uint64_t kHuge[] = {1ULL << 32, 1ULL << 62, 1ULL << 63, UINT64_MAX - 7, UINT64_MAX};

void add_starts(BadFiles& files) {
  for (const std::uint32_t magic : {0u, 0x46554746u, 0x47475546u, 0x67676d6cu, 0xffffffffu, 0x04034b50u}) {
    files.add([&](GgufBuilder& f) { f.magic = magic; }, "byte 0, magic", "not a GGUF file");
  }
  for (const std::uint32_t version : {0u, 1u, 4u, 255u, 0xffffffffu}) {
    files.add([&](GgufBuilder& f) { f.version = version; }, "byte 4, version", "is not known");
  }
  for (const std::uint32_t version : {0x02000000u, 0x03000000u}) {
    files.add([&](GgufBuilder& f) { f.version = version; }, "byte 4, version", "big-endian");
  }
  files.add([](GgufBuilder& f) { f.tensor_count = 0; }, "byte 8, tensor count", "no tensors");
  for (const std::uint64_t count : kHuge) {
    files.add([&](GgufBuilder& f) { f.tensor_count = count; }, "byte 8, tensor count", "more than the");
    files.add([&](GgufBuilder& f) { f.key_count = count; }, "byte 16, key count", "more than the");
  }
  files.add([](GgufBuilder& f) { f.tensor_count = 65'537; }, "tensor count", "more than the");
  files.add([](GgufBuilder& f) { f.key_count = 65'537; }, "key count", "more than the");
  files.add([](GgufBuilder& f) { f.key_count = 10; }, "tensor 1", "a tensor has 1 to 4 dimensions");
  files.add([](GgufBuilder& f) { f.key_count = 12; }, "tensor 1 of 3", "but the file ends after");
}

void add_truncations(BadFiles& files) {
  const GgufBuilder sound = GgufBuilder::sound();
  const std::string header = sound.header();
  const std::string whole = sound.build();
  for (std::size_t bytes = 0; bytes < 24; bytes += 3)
    files.add_bytes(whole.substr(0, bytes), "GGUF byte", "file");
  for (std::size_t bytes = 24; bytes < header.size(); bytes += 17) {
    files.add_bytes(whole.substr(0, bytes), "GGUF byte", "");
  }
  for (const std::size_t missing : {1u, 63u, 64u, 65u, 100u, 300u, 416u}) {
    files.add_bytes(whole.substr(0, whole.size() - missing), "tensor data", "ends beyond the file");
  }
}

void add_keys(BadFiles& files) {
  const std::size_t count = GgufBuilder::sound().keys.size();
  for (std::size_t i = 0; i < count; ++i) {
    const std::string place = "key " + std::to_string(i + 1) + " of 11";
    const std::string name = "key '" + GgufBuilder::sound().keys[i].name + "'";
    for (const std::uint64_t length : kHuge) {
      files.add([&](GgufBuilder& f) { f.keys[i].name_bytes = length; }, place, "but the file ends after");
    }
    files.add([&](GgufBuilder& f) { f.keys[i].type = 13; }, name, "value type 13 is not known");
    files.add([&](GgufBuilder& f) { f.keys[i].type = 0xffffffff; }, name,
              "value type 4294967295 is not known");
    files.add([&](GgufBuilder& f) { f.keys.push_back(f.keys[i]); }, name, "occurs twice");
  }
  files.add([](GgufBuilder& f) { f.keys[1].name = ""; }, "key 2", "name is empty");
  files.add([](GgufBuilder& f) { f.keys[1].name = std::string(1025, 'k'); }, "key 2", "longer than the 1024");
  for (const std::string& name : {std::string("a b"), std::string("a\nb"), std::string("a\0b", 3),
                                  std::string("\x80"), std::string("a\x7f")}) {
    files.add([&](GgufBuilder& f) { f.keys[1].name = name; }, "key 2", "printable ASCII");
  }
}

void add_values(BadFiles& files) {
  for (const std::size_t i : {0u, 1u, 2u, 10u}) {  // the strings
    const std::string name = "key '" + GgufBuilder::sound().keys[i].name + "'";
    for (const std::uint64_t length : kHuge) {
      files.add([&](GgufBuilder& f) { f.keys[i].value = u64(length) + "x"; }, name,
                "but the file ends after");
    }
    for (const std::string& bad : {std::string("\xff"), std::string("a\xc0\x80"), std::string("\xed\xa0\x80"),
                                   std::string("\xe2\x82")}) {
      files.add([&](GgufBuilder& f) { f.keys[i].value = text(bad); }, name, "not valid UTF-8");
    }
    files.add(
        [&](GgufBuilder& f) {
          f.keys[i].type = 4;
          f.keys[i].value = u32(1);
        },
        name, "must be a string");
    files.add(
        [&](GgufBuilder& f) {
          f.keys[i].type = 9;
          f.keys[i].value = u32(8) + u64(0);
        },
        name, "must be a string");
  }
  for (const char value : {'\2', '\x7f', '\xff'}) {
    files.add([&](GgufBuilder& f) { f.keys[9].value = std::string(1, value); }, "add_bos_token", "0 or 1");
  }
  files.add([](GgufBuilder& f) { f.keys.erase(f.keys.begin()); }, "keys", "general.architecture is missing");
  files.add([](GgufBuilder& f) { f.keys[0].value = text(""); }, "general.architecture", "1 to 64 bytes");
  files.add([](GgufBuilder& f) { f.keys[0].value = text(std::string(65, 'a')); }, "general.architecture",
            "1 to 64");
  for (const std::uint32_t alignment : {0u, 1u, 4u, 7u, 24u, 33u, 131'072u, 0x80000000u, 0xffffffffu}) {
    files.add([&](GgufBuilder& f) { f.keys[3].value = u32(alignment); }, "general.alignment", "power of two");
  }
  files.add(
      [](GgufBuilder& f) {
        f.keys[3].type = 10;
        f.keys[3].value = u64(32);
      },
      "general.alignment", "uint32");
  files.add([](GgufBuilder& f) { f.keys[3].type = 5; }, "general.alignment", "uint32");
  for (const std::size_t i : {5u, 6u}) {
    const std::string name = GgufBuilder::sound().keys[i].name;
    files.add([&](GgufBuilder& f) { f.keys[i].value = u32(0); }, name, "unsigned number from 1");
    files.add([&](GgufBuilder& f) { f.keys[i].type = 5; }, name, "unsigned number from 1");
    files.add([&](GgufBuilder& f) { f.keys[i].type = 6; }, name, "unsigned number from 1");
    files.add(
        [&](GgufBuilder& f) {
          f.keys[i].type = 10;
          f.keys[i].value = u64(1ULL << 41);
        },
        name, "unsigned");
  }
  files.add([](GgufBuilder& f) { f.keys.push_back({"split.count", 2, std::string("\3\0", 2), {}}); },
            "split.count", "one of 3 parts");
}

void add_arrays(BadFiles& files) {
  const auto with = [&](std::string value, std::string what) {
    files.add([&](GgufBuilder& f) { f.keys.push_back({"my.array", 9, value, {}}); }, "key 'my.array'",
              std::move(what));
  };
  for (const std::uint32_t type : {13u, 14u, 1000u, 0xffffffffu}) with(u32(type) + u64(1), "is not known");
  for (const std::uint64_t count : kHuge) {
    for (const std::uint32_t type : {0u, 6u, 8u, 9u, 12u}) with(u32(type) + u64(count), "is longer than the");
  }
  for (const std::uint32_t type : {0u, 3u, 5u, 7u, 10u})
    with(u32(type) + u64(16'000'000), "but the file ends after");
  for (const std::uint64_t length : kHuge) {
    with(u32(8) + u64(2) + text("ok") + u64(length), "but the file ends after");
  }
  for (const int depth : {5, 6, 50}) {
    std::string nested;
    for (int i = 1; i < depth; ++i) nested += u32(9) + u64(1);
    with(nested + u32(0) + u64(0), "nested deeper than 4");
  }
  with(u32(9) + u64(2) + u32(0) + u64(0) + u32(77) + u64(0), "value type 77");
}

void add_tensor_names(BadFiles& files) {
  const GgufBuilder sound = GgufBuilder::sound();
  for (std::size_t i = 0; i < sound.tensors.size(); ++i) {
    const std::string place = "tensor " + std::to_string(i + 1) + " of 3";
    const std::string name = "'" + sound.tensors[i].name + "'";
    const auto with = [&](auto change, std::string what) {
      files.add([&](GgufBuilder& f) { change(f.tensors[i]); }, place, std::move(what));
    };
    for (const std::uint64_t length : kHuge) {
      with([&](auto& t) { t.name_bytes = length; }, "but the file ends after");
    }
    with([](auto& t) { t.name = ""; }, "name is empty");
    with([](auto& t) { t.name = std::string(64, 't'); }, "more than the 63");
    with([](auto& t) { t.name = "\xc3"; }, "UTF-8");
    with([](auto& t) { t.name = std::string("a\0b", 3); }, "zero bytes");
    files.add([&](GgufBuilder& f) { f.tensors[(i + 1) % 3].name = f.tensors[i].name; }, name, "occurs twice");
  }
}

void add_tensors(BadFiles& files) {
  const GgufBuilder sound = GgufBuilder::sound();
  for (std::size_t i = 0; i < sound.tensors.size(); ++i) {
    const std::string name = "'" + sound.tensors[i].name + "'";
    const auto with = [&](auto change, const std::string& where, std::string what) {
      files.add([&](GgufBuilder& f) { change(f.tensors[i]); }, where, std::move(what));
    };
    for (const std::uint32_t dimensions : {0u, 5u, 0xffffffffu}) {
      with([&](auto& t) { t.dimensions = dimensions; }, name, "1 to 4 dimensions");
    }
    with([](auto& t) { t.sizes[0] = 0; }, name, "dimension 0 is 0");
    with([](auto& t) { t.sizes = {32, 0}; }, name, "dimension 1 is 0");
    with([](auto& t) { t.sizes = {32, 1ULL << 60}; }, name, "overflows");
    with([](auto& t) { t.sizes = {1ULL << 32, 1ULL << 32}; }, name, "overflows");
    with([](auto& t) { t.sizes = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}; }, name, "overflows");
    with(
        [](auto& t) {
          t.sizes = {1ULL << 61};
          t.type = 27;
        },
        name, "overflows");
    with([](auto& t) { t.sizes = {32, 1ULL << 30}; }, name, "more than the whole file");
    for (const std::uint32_t type : {4u, 5u, 31u, 36u, 99u, 0xffffffffu}) {
      with([&](auto& t) { t.type = type; }, name, "tensor type " + std::to_string(type));
    }
    with(
        [](auto& t) {
          t.sizes[0] = 33;
          t.type = 8;
        },
        name, "is no multiple of the 32");
    with(
        [](auto& t) {
          t.sizes[0] = 32;
          t.type = 12;
        },
        name, "is no multiple of the 256");
    for (const std::uint64_t offset : {1UL, 31UL, UINT64_MAX}) {
      with([&](auto& t) { t.offset = offset; }, name, "no multiple of the alignment");
    }
    for (const std::uint64_t offset : {448UL, 1UL << 40, UINT64_MAX - 31}) {
      with([&](auto& t) { t.offset = offset; }, name, "ends beyond the file");
    }
    files.add(
        [&](GgufBuilder& f) {
          f.data_bytes = 1024;
          f.tensors[(i + 1) % 3].offset = f.tensors[i].offset;
        },
        "tensor data", "overlaps");
  }
  files.add([](GgufBuilder& f) { f.tensors[1].offset = 224; }, "'blk.0.weight'", "overlaps");
  files.add([](GgufBuilder& f) { f.tensors[2].offset = 320; }, "'output_norm.weight'", "overlaps");
}

BadFiles crafted() {
  BadFiles files;
  add_starts(files);
  add_truncations(files);
  add_keys(files);
  add_values(files);
  add_arrays(files);
  add_tensor_names(files);
  add_tensors(files);
  return files;
}

TEST(Gguf, ASoundHeaderIsReadWhole) {
  for (const std::uint32_t version : {2u, 3u}) {
    GgufBuilder file = GgufBuilder::sound();
    file.version = version;
    const auto info = read_gguf_bytes(file.build());
    ASSERT_TRUE(info) << info.error().message;
    EXPECT_EQ(info->version, version);
    EXPECT_EQ(info->architecture, "llama");
    EXPECT_EQ(info->name, "Tiny");
    EXPECT_EQ(info->licence, "apache-2.0");
    EXPECT_EQ(info->quantisation, "Q4_1");
    EXPECT_EQ(info->chat_template, "{{ messages }}");
    EXPECT_EQ(info->parameters, 64 + 128 + 32);
    EXPECT_EQ(info->tensors, 3);
    EXPECT_EQ(info->context_length, 128);
    EXPECT_EQ(info->embedding_length, 32);
  }
}

TEST(Gguf, WhatAFileDoesNotSayIsLeftOut) {
  GgufBuilder file = GgufBuilder::sound();
  file.keys.resize(1);
  const auto info = read_gguf_bytes(file.build());
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->name + info->licence + info->chat_template, "");
  EXPECT_FALSE(info->context_length);
  EXPECT_EQ(info->quantisation, "F32");  // the type that holds the most bytes
}

TEST(Gguf, AnotherAlignmentAndNestedArraysAreFine) {
  GgufBuilder file = GgufBuilder::sound();
  file.alignment = 8;
  file.keys[3].value = u32(8);
  file.tensors[2].offset = 336;
  file.data_bytes = 400;
  file.keys.push_back(
      {"my.array", 9, u32(9) + u64(2) + u32(0) + u64(1) + "x" + u32(8) + u64(1) + text("y"), {}});
  const auto info = read_gguf_bytes(file.build());
  EXPECT_TRUE(info) << info.error().message;
}

TEST(Gguf, TwoHundredCraftedFilesGiveClearErrors) {
  const BadFiles files = crafted();
  std::set<std::string> distinct;
  for (const BadFile& file : files.all()) {
    distinct.insert(file.bytes);
    const auto info = read_gguf_bytes(file.bytes);
    ASSERT_FALSE(info) << "expected at " << file.where << ": " << file.what;
    const std::string& message = info.error().message;
    EXPECT_EQ(info.error().code, ErrorCode::kCorrupt) << message;
    EXPECT_TRUE(message.starts_with("GGUF byte ")) << message;
    EXPECT_NE(message.find(file.where), std::string::npos) << message << " -- expected at " << file.where;
    EXPECT_NE(message.find(file.what), std::string::npos) << message << " -- expected: " << file.what;
    EXPECT_LT(message.size(), 2000u);
  }
  EXPECT_GE(distinct.size(), 200u);
  RecordProperty("files", static_cast<int>(distinct.size()));
}

TEST(Gguf, AnyDamageIsReadOrRefused) {
  const std::string sound = GgufBuilder::sound().build();
  SeededRng rng(20261122);
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = sound;
    for (std::uint64_t i = rng.next() % 4 + 1; i > 0; --i) {
      const std::size_t at = rng.next() % bytes.size();
      bytes[at] = static_cast<char>(rng.next() % 3 == 0 ? 0xff : rng.next());
    }
    if (rng.next() % 4 == 0) bytes.resize(rng.next() % bytes.size());
    if (!read_gguf_bytes(bytes)) ++refused;
  }
  EXPECT_GT(refused, 5'000);
  EXPECT_LT(refused, 20'000);
}

TEST(Gguf, ABigHeaderIsReadInPieces) {
  GgufBuilder file = GgufBuilder::sound();
  std::string tokens = u32(8) + u64(50'000);
  for (int i = 0; i < 50'000; ++i) tokens += text("token-" + std::to_string(i));
  file.keys[7].value = tokens;
  const std::string bytes = file.build();
  ASSERT_GT(bytes.size(), 900'000u);
  const auto info = read_gguf_bytes(bytes);
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->chat_template, "{{ messages }}");  // lies behind the tokens
  const auto bounded = read_gguf_bytes(bytes, {.max_header_bytes = 500'000});
  ASSERT_FALSE(bounded);
  EXPECT_NE(bounded.error().message.find("header is longer than 500000"), std::string::npos);
}

TEST(Gguf, AFileThatIsNoFileIsRefused) {
  EXPECT_EQ(read_gguf_file("/nowhere/model.gguf").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(read_gguf_file("/dev/zero").error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(read_gguf_file("/tmp"));
}

/// The model that this installation serves, where it was fetched already.
std::string real_model() {
  if (const char* given = std::getenv("MILLRACE_MODEL_FILE")) return given;
  const char* cache = std::getenv("MILLRACE_CACHE");
  const char* home = std::getenv("HOME");
  const std::string root =
      cache != nullptr ? cache : std::string(home == nullptr ? "" : home) + "/.cache/millrace";
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root + "/models", error)) {
    if (entry.path().filename() == "SmolLM2-135M-Instruct.Q4_1.gguf") return entry.path();
  }
  return {};
}

TEST(Gguf, TheRealModelIsReadWhole) {
  const std::string path = real_model();
  if (path.empty()) GTEST_SKIP() << "the model was not fetched on this machine";
  const auto info = read_gguf_file(path);
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->architecture, "llama");
  EXPECT_EQ(info->licence, "apache-2.0");
  EXPECT_EQ(info->quantisation, "Q4_1");
  EXPECT_NEAR(static_cast<double>(info->parameters), 134.5e6, 0.1e6);
  EXPECT_EQ(info->context_length, 8192);
  EXPECT_EQ(info->embedding_length, 576);
  EXPECT_NE(info->chat_template.find("<|im_start|>"), std::string::npos);
}

}  // namespace
}  // namespace millrace::platform
