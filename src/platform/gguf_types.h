// GGUF's tables: value types, tensor types and file types (numbers from ggml's gguf.h, ggml.h and llama.h).
#pragma once

#include <cstdint>
#include <string_view>

namespace millrace::platform {

/// Types of metadata values.
enum class GgufType : std::uint32_t {
  kUint8 = 0,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64,
};
inline constexpr std::uint32_t kGgufTypes = 13;

/// Bytes of one value; 0 for string and array, which have no fixed size.
std::uint64_t size_of(GgufType type);

/// How a tensor type packs its elements: blocks of `elements`, each of `bytes`.
struct TensorType {
  std::uint32_t id;
  std::string_view name;
  std::uint64_t elements, bytes;
};
/// nullptr for an id that no engine here knows.
const TensorType* tensor_type(std::uint32_t id);

/// Name of general.file_type ("Q4_K_M"); empty if not known.
std::string_view file_type_name(std::uint64_t id);

}  // namespace millrace::platform
