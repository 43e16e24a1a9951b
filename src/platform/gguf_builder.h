// GgufBuilder: writes small GGUF files for tests, whole or broken in one place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::platform::testing {

template <typename T>
std::string little_endian(T value) {
  std::string bytes;
  for (std::size_t i = 0; i < sizeof value; ++i) {
    bytes += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i));
  }
  return bytes;
}
inline std::string u32(std::uint32_t value) { return little_endian(value); }
inline std::string u64(std::uint64_t value) { return little_endian(value); }
inline std::string text(std::string_view value) { return u64(value.size()) + std::string(value); }

struct BuiltKey {
  std::string name;
  std::uint32_t type = 0;
  std::string value;                        // bytes as in the file
  std::optional<std::uint64_t> name_bytes;  // a lie about the name's length
};

struct BuiltTensor {
  std::string name;
  std::vector<std::uint64_t> sizes;
  std::uint32_t type = 0;
  std::uint64_t offset = 0;
  std::optional<std::uint64_t> name_bytes;
  std::optional<std::uint32_t> dimensions;  // a lie about how many sizes follow
};

/// A public struct: tests change a field and build.
struct GgufBuilder {
  std::uint32_t magic = 0x46554747, version = 3;
  std::optional<std::uint64_t> tensor_count, key_count;
  std::vector<BuiltKey> keys;
  std::vector<BuiltTensor> tensors;
  std::uint64_t alignment = 32;
  std::uint64_t data_bytes = 0;

  /// A sound model: architecture llama, 11 keys, three tensors with 64 + 128 + 32 elements.
  static GgufBuilder sound() {
    GgufBuilder file;
    file.keys = {
        {"general.architecture", 8, text("llama"), {}},
        {"general.name", 8, text("Tiny"), {}},
        {"general.license", 8, text("apache-2.0"), {}},
        {"general.alignment", 4, u32(32), {}},
        {"general.file_type", 4, u32(3), {}},
        {"llama.context_length", 4, u32(128), {}},
        {"llama.embedding_length", 4, u32(32), {}},
        {"tokenizer.ggml.tokens", 9, u32(8) + u64(3) + text("a") + text("") + text("\xff\xfe"), {}},
        {"tokenizer.ggml.scores", 9, u32(6) + u64(3) + u32(0) + u32(0) + u32(0), {}},
        {"tokenizer.ggml.add_bos_token", 7, std::string(1, '\1'), {}},
        {"tokenizer.chat_template", 8, text("{{ messages }}"), {}},
    };
    file.tensors = {
        {"token_embd.weight", {32, 2}, 0, 0, {}, {}},
        {"blk.0.weight", {32, 4}, 3, 256, {}, {}},
        {"output_norm.weight", {32}, 1, 352, {}, {}},
    };
    file.data_bytes = 352 + 64;
    return file;
  }

  std::string header() const {
    std::string out = u32(magic) + u32(version) + u64(tensor_count.value_or(tensors.size())) +
                      u64(key_count.value_or(keys.size()));
    for (const BuiltKey& key : keys) {
      out += u64(key.name_bytes.value_or(key.name.size())) + key.name + u32(key.type) + key.value;
    }
    for (const BuiltTensor& tensor : tensors) {
      out += u64(tensor.name_bytes.value_or(tensor.name.size())) + tensor.name;
      out += u32(tensor.dimensions.value_or(static_cast<std::uint32_t>(tensor.sizes.size())));
      for (const std::uint64_t size : tensor.sizes) out += u64(size);
      out += u32(tensor.type) + u64(tensor.offset);
    }
    return out;
  }

  std::string build() const {
    std::string out = header();
    out.resize((out.size() + alignment - 1) / alignment * alignment, '\0');
    out.append(data_bytes, '\x5a');
    return out;
  }
};

}  // namespace millrace::platform::testing
