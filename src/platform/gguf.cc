#include "platform/gguf.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <map>
#include <unordered_set>
#include <vector>

#include "host/fd.h"
#include "host/utf8.h"
#include "platform/gguf_cursor.h"
#include "platform/gguf_types.h"

namespace millrace::platform {
namespace {

constexpr std::uint64_t kDefaultAlignment = 32;
constexpr std::uint64_t kMaxAlignment = 64 << 10;
constexpr std::uint64_t kMaxDimensions = 4;
constexpr std::uint64_t kMaxTensorNameBytes = 63;  // engines keep 64 with the closing zero
// The least that a key or a tensor can take in the file: lengths, type and one byte each.
constexpr std::uint64_t kLeastKeyBytes = 8 + 1 + 4 + 1;
constexpr std::uint64_t kLeastTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;

struct Extent {
  std::uint64_t offset = 0, bytes = 0;
  std::string name;
};

/// Reads one header; each step leaves the cursor behind what it read.
class HeaderReader {
 public:
  HeaderReader(ByteSource& source, const GgufLimits& limits) : in_(source, limits) {}
  Result<GgufInfo> read();

 private:
  Result<void> read_start();
  Result<void> read_key();
  Result<void> read_value(const std::string& key, GgufType type);
  Result<void> keep_string(const std::string& key);
  Result<void> keep_number(const std::string& key, GgufType type);
  Result<void> skip_array(int depth);
  Result<GgufType> read_type();
  Result<void> read_tensor(std::uint64_t index);
  Result<std::uint64_t> read_elements(const TensorType*& type);
  Result<void> check_extents();
  Result<GgufInfo> finish();

  GgufCursor in_;
  GgufInfo info_;
  std::uint64_t keys_ = 0, tensors_ = 0, alignment_ = kDefaultAlignment;
  std::optional<std::uint64_t> file_type_;
  std::unordered_set<std::string> key_names_, tensor_names_;
  std::map<std::string, std::int64_t> lengths_;  // "<architecture>.context_length" and its like
  std::map<std::string_view, std::uint64_t> bytes_by_type_;
  std::vector<Extent> extents_;
};

Result<GgufInfo> HeaderReader::read() {
  TRY_VOID(read_start());
  for (std::uint64_t i = 0; i < keys_; ++i) {
    in_.describe(fmt::format("key {} of {}", i + 1, keys_));
    TRY_VOID(read_key());
  }
  for (std::uint64_t i = 0; i < tensors_; ++i) {
    in_.describe(fmt::format("tensor {} of {}", i + 1, tensors_));
    TRY_VOID(read_tensor(i));
  }
  in_.describe("tensor data");
  TRY_VOID(check_extents());
  return finish();
}

Result<void> HeaderReader::read_start() {
  in_.describe("magic");
  if (TRY(in_.u32()) != 0x46554747)
    return in_.corrupt("this is not a GGUF file: it does not start with 'GGUF'");
  in_.describe("version");
  info_.version = TRY(in_.u32());
  if (info_.version != 2 && info_.version != 3) {
    const std::uint32_t swapped = __builtin_bswap32(info_.version);
    return in_.corrupt(swapped == 2 || swapped == 3
                           ? "the file is big-endian; convert it to little-endian"
                           : fmt::format("version {} is not known, only 2 and 3 are", info_.version));
  }
  in_.describe("tensor count");
  tensors_ = TRY(in_.u64());
  const std::uint64_t most_tensors = std::min(in_.limits().max_tensors, in_.file_bytes() / kLeastTensorBytes);
  if (tensors_ == 0) return in_.corrupt("the file has no tensors");
  if (tensors_ > most_tensors) {
    return in_.corrupt(fmt::format("{} tensors, more than the {} that fit in this file or are allowed",
                                   tensors_, most_tensors));
  }
  in_.describe("key count");
  keys_ = TRY(in_.u64());
  const std::uint64_t most_keys = std::min(in_.limits().max_keys, in_.file_bytes() / kLeastKeyBytes);
  if (keys_ > most_keys) {
    return in_.corrupt(
        fmt::format("{} keys, more than the {} that fit in this file or are allowed", keys_, most_keys));
  }
  return {};
}

Result<GgufType> HeaderReader::read_type() {
  const std::uint32_t type = TRY(in_.u32());
  if (type >= kGgufTypes) return in_.corrupt(fmt::format("value type {} is not known", type));
  return static_cast<GgufType>(type);
}

Result<void> HeaderReader::read_key() {
  std::string key = TRY(in_.string(in_.limits().max_key_bytes));
  if (key.empty()) return in_.corrupt("the name is empty");
  if (!std::ranges::all_of(key, [](char c) { return c > ' ' && c < 0x7f; })) {
    return in_.corrupt("the name has characters other than printable ASCII");
  }
  in_.describe(fmt::format("key '{}'", key));
  if (!key_names_.insert(key).second) return in_.corrupt("the name occurs twice");
  const GgufType type = TRY(read_type());
  return read_value(key, type);
}

Result<void> HeaderReader::read_value(const std::string& key, GgufType type) {
  const bool must_be_text = key == "general.architecture" || key == "general.name" ||
                            key == "general.license" || key == "tokenizer.chat_template";
  if (must_be_text && type != GgufType::kString) return in_.corrupt("the value must be a string");
  switch (type) {
    case GgufType::kString:
      return keep_string(key);
    case GgufType::kArray:
      return skip_array(1);
    case GgufType::kBool: {
      const std::uint8_t value = TRY(in_.u8());
      if (value > 1) return in_.corrupt(fmt::format("a bool must be 0 or 1, found {}", value));
      return {};
    }
    default:
      return keep_number(key, type);
  }
}

Result<void> HeaderReader::keep_string(const std::string& key) {
  std::string text = TRY(in_.string(in_.limits().max_string_bytes));
  if (!host::is_utf8(text)) return in_.corrupt("the string is not valid UTF-8");
  if (key == "general.architecture") {
    if (text.empty() || text.size() > 64) {
      return in_.corrupt(fmt::format("an architecture's name has 1 to 64 bytes, found {}", text.size()));
    }
    info_.architecture = std::move(text);
  } else if (key == "general.name") {
    info_.name = std::move(text);
  } else if (key == "general.license") {
    info_.licence = std::move(text);
  } else if (key == "tokenizer.chat_template") {
    info_.chat_template = std::move(text);
  }
  return {};
}

Result<void> HeaderReader::keep_number(const std::string& key, GgufType type) {
  const std::uint64_t value = TRY(in_.unsigned_of(size_of(type)));
  const bool is_unsigned = type == GgufType::kUint8 || type == GgufType::kUint16 ||
                           type == GgufType::kUint32 || type == GgufType::kUint64;
  if (key == "general.alignment") {
    if (type != GgufType::kUint32) return in_.corrupt("the alignment must be a uint32");
    if (value < 8 || value > kMaxAlignment || !std::has_single_bit(value)) {
      return in_.corrupt(
          fmt::format("the alignment must be a power of two from 8 to {}, found {}", kMaxAlignment, value));
    }
    alignment_ = value;
  } else if (key == "general.file_type" && is_unsigned) {
    file_type_ = value;
  } else if (key == "split.count" && is_unsigned && value > 1) {
    return in_.corrupt(
        fmt::format("this is one of {} parts of a split model; merge them into one file", value));
  } else if (key.ends_with(".context_length") || key.ends_with(".embedding_length")) {
    if (!is_unsigned || value == 0 || value > (1ULL << 40)) {
      return in_.corrupt(fmt::format("must be an unsigned number from 1 to {}", 1ULL << 40));
    }
    lengths_[key] = static_cast<std::int64_t>(value);
  }
  return {};
}

Result<void> HeaderReader::skip_array(int depth) {
  if (depth > in_.limits().max_array_depth) {
    return in_.corrupt(fmt::format("arrays are nested deeper than {}", in_.limits().max_array_depth));
  }
  const GgufType type = TRY(read_type());
  const std::uint64_t count = TRY(in_.u64());
  if (count > in_.limits().max_array_elements) {
    return in_.corrupt(fmt::format("array of {} elements is longer than the {} allowed", count,
                                   in_.limits().max_array_elements));
  }
  if (type == GgufType::kString) {
    for (std::uint64_t i = 0; i < count; ++i) TRY_VOID(in_.skip_string(in_.limits().max_string_bytes));
    return {};
  }
  if (type == GgufType::kArray) {
    for (std::uint64_t i = 0; i < count; ++i) TRY_VOID(skip_array(depth + 1));
    return {};
  }
  return in_.skip(count, size_of(type));
}

Result<std::uint64_t> HeaderReader::read_elements(const TensorType*& type) {
  const std::uint32_t dimensions = TRY(in_.u32());
  if (dimensions == 0 || dimensions > kMaxDimensions) {
    return in_.corrupt(fmt::format("a tensor has 1 to {} dimensions, found {}", kMaxDimensions, dimensions));
  }
  std::array<std::uint64_t, kMaxDimensions> sizes{1, 1, 1, 1};
  std::uint64_t elements = 1;
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    sizes[i] = TRY(in_.u64());
    if (sizes[i] == 0) return in_.corrupt(fmt::format("dimension {} is 0", i));
    if (__builtin_mul_overflow(elements, sizes[i], &elements) || elements > (1ULL << 62)) {
      return in_.corrupt(fmt::format("dimension {} of {}: the number of elements overflows", i, sizes[i]));
    }
  }
  const std::uint32_t id = TRY(in_.u32());
  type = tensor_type(id);
  if (type == nullptr) return in_.corrupt(fmt::format("tensor type {} is not known", id));
  if (sizes[0] % type->elements != 0) {
    return in_.corrupt(
        fmt::format("the first dimension, {}, is no multiple of the {} elements in a block of {}", sizes[0],
                    type->elements, type->name));
  }
  return elements;
}

Result<void> HeaderReader::read_tensor(std::uint64_t index) {
  Extent extent;
  extent.name = TRY(in_.string(in_.limits().max_key_bytes));
  if (extent.name.empty()) return in_.corrupt("the name is empty");
  if (extent.name.size() > kMaxTensorNameBytes) {
    return in_.corrupt(fmt::format("the name has {} bytes, more than the {} allowed", extent.name.size(),
                                   kMaxTensorNameBytes));
  }
  if (!host::is_utf8(extent.name) || extent.name.find('\0') != std::string::npos) {
    return in_.corrupt("the name is not valid UTF-8 without zero bytes");
  }
  in_.describe(fmt::format("tensor {} '{}'", index + 1, extent.name));
  if (!tensor_names_.insert(extent.name).second) return in_.corrupt("the name occurs twice");
  const TensorType* type = nullptr;
  const std::uint64_t elements = TRY(read_elements(type));
  if (__builtin_mul_overflow(elements / type->elements, type->bytes, &extent.bytes)) {
    return in_.corrupt(fmt::format("the size of {} elements in bytes overflows", elements));
  }
  extent.offset = TRY(in_.u64());
  if (extent.offset % alignment_ != 0) {
    return in_.corrupt(
        fmt::format("offset {} is no multiple of the alignment {}", extent.offset, alignment_));
  }
  const auto total = static_cast<std::uint64_t>(info_.parameters);
  if (elements > (1ULL << 62) - total) return in_.corrupt("the number of parameters of the model overflows");
  info_.parameters = static_cast<std::int64_t>(total + elements);
  if (extent.bytes > in_.file_bytes()) {
    return in_.corrupt(fmt::format("{} bytes of data are more than the whole file", extent.bytes));
  }
  bytes_by_type_[type->name] += extent.bytes;
  extents_.push_back(std::move(extent));
  return {};
}

Result<void> HeaderReader::check_extents() {
  const std::uint64_t start = (in_.offset() + alignment_ - 1) / alignment_ * alignment_;
  const std::uint64_t data_bytes = start > in_.file_bytes() ? 0 : in_.file_bytes() - start;
  std::ranges::sort(extents_, {}, &Extent::offset);
  const Extent* before = nullptr;
  for (const Extent& extent : extents_) {
    if (extent.offset > data_bytes || extent.bytes > data_bytes - extent.offset) {
      return in_.corrupt(
          fmt::format("tensor '{}' at offset {} with {} bytes ends beyond the file, whose data has {} "
                      "bytes (is the download complete?)",
                      extent.name, extent.offset, extent.bytes, data_bytes));
    }
    if (before != nullptr && extent.offset < before->offset + before->bytes) {
      return in_.corrupt(fmt::format("tensor '{}' at offset {} overlaps tensor '{}', which ends at {}",
                                     extent.name, extent.offset, before->name,
                                     before->offset + before->bytes));
    }
    before = &extent;
  }
  return {};
}

Result<GgufInfo> HeaderReader::finish() {
  in_.describe("keys");
  if (info_.architecture.empty()) return in_.corrupt("the key general.architecture is missing");
  info_.tensors = static_cast<std::int64_t>(tensors_);
  const auto length = [&](std::string_view what) -> std::optional<std::int64_t> {
    const auto found = lengths_.find(fmt::format("{}.{}", info_.architecture, what));
    return found == lengths_.end() ? std::nullopt : std::optional{found->second};
  };
  info_.context_length = length("context_length");
  info_.embedding_length = length("embedding_length");
  if (file_type_) info_.quantisation = file_type_name(*file_type_);
  if (info_.quantisation.empty()) {
    info_.quantisation =
        std::ranges::max_element(bytes_by_type_, {}, [](const auto& entry) { return entry.second; })->first;
  }
  return info_;
}

class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(std::string_view bytes) : bytes_(bytes) {}
  std::uint64_t size() const override { return bytes_.size(); }
  Result<void> read(std::uint64_t offset, std::span<char> out) override {
    if (offset > bytes_.size() || out.size() > bytes_.size() - offset) {
      return failure(ErrorCode::kInternal, "read beyond the end");
    }
    std::memcpy(out.data(), bytes_.data() + offset, out.size());
    return {};
  }

 private:
  std::string_view bytes_;
};

class FileSource final : public ByteSource {
 public:
  FileSource(int fd, std::uint64_t size, std::string path) : fd_(fd), size_(size), path_(std::move(path)) {}
  std::uint64_t size() const override { return size_; }
  Result<void> read(std::uint64_t offset, std::span<char> out) override {
    while (!out.empty()) {
      const ssize_t got = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return std::unexpected(errno_error("read " + path_, errno));
      if (got == 0) return failure(ErrorCode::kCorrupt, path_ + ": became shorter while it was read");
      out = out.subspan(static_cast<std::size_t>(got));
      offset += static_cast<std::uint64_t>(got);
    }
    return {};
  }

 private:
  int fd_;
  std::uint64_t size_;
  std::string path_;
};

}  // namespace

Result<GgufInfo> read_gguf(ByteSource& source, const GgufLimits& limits) {
  return HeaderReader(source, limits).read();
}

Result<GgufInfo> read_gguf_bytes(std::string_view bytes, const GgufLimits& limits) {
  MemorySource source(bytes);
  return read_gguf(source, limits);
}

Result<GgufInfo> read_gguf_file(const std::string& path, const GgufLimits& limits) {
  const host::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return std::unexpected(errno_error("open " + path, errno));
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return std::unexpected(errno_error("stat " + path, errno));
  if (!S_ISREG(status.st_mode)) return failure(ErrorCode::kInvalidArgument, path + ": is not a regular file");
  FileSource source(fd.get(), static_cast<std::uint64_t>(status.st_size), path);
  return read_gguf(source, limits);
}

}  // namespace millrace::platform
