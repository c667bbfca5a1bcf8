#include "store/sqlite/wiping_vfs.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <new>

#include "store/sqlite/connection.hpp"

namespace pebbles::store::sqlite {
namespace {

/// The first byte of a page is the kind of a b-tree page, or the highest byte of a page number: 0 in files below this.
constexpr sqlite3_int64 file_bytes_max = 64LL << 30U;

/// What SQLite holds as the VFS. The base's functions are called with it: they know their own data by `pAppData`.
struct Layer {
  sqlite3_vfs vfs{};  // first: SQLite's pointer to it is one to the layer
  sqlite3_vfs* base = nullptr;
  std::string name;
};

/// Stands behind the base's own file, whose methods these are, but for one.
struct WipedFile {
  sqlite3_io_methods methods{};  // first: the file's pointer to it is one to this
  const sqlite3_io_methods* base = nullptr;
};

int write_wiped(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset) {
  const auto* const base = reinterpret_cast<const WipedFile*>(file->pMethods)->base;
  const auto pass_on = [&](const void* what) { return base->xWrite(file, what, count, offset); };
  if (count != static_cast<int>(page_bytes) || offset % count != 0) return pass_on(bytes);
  std::array<std::uint8_t, page_bytes> page;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled at once
  std::memcpy(page.data(), bytes, page_bytes);
  const auto unused = unused_bytes(page, offset == 0);
  if (std::ranges::all_of(unused, [](std::uint8_t byte) { return byte == 0; })) return pass_on(bytes);
  sqlite3_int64 size = 0;
  if (base->xFileSize(file, &size) != SQLITE_OK || std::max(size, offset) >= file_bytes_max) return pass_on(bytes);
  std::ranges::fill(unused, std::uint8_t{0});
  return pass_on(page.data());
}

constexpr int aligned(int bytes) {
  constexpr int alignment = alignof(std::max_align_t);
  return (bytes + alignment - 1) / alignment * alignment;
}

int open_wiped(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  auto* const base = reinterpret_cast<Layer*>(vfs)->base;
  const int code = base->xOpen(base, name, file, flags, out_flags);
  if (code != SQLITE_OK || (flags & SQLITE_OPEN_MAIN_DB) == 0 || file->pMethods == nullptr) return code;
  auto* const behind = reinterpret_cast<std::byte*>(file) + aligned(base->szOsFile);
  auto* const wiped = new (behind) WipedFile{.methods = *file->pMethods, .base = file->pMethods};
  wiped->methods.xWrite = write_wiped;
  file->pMethods = &wiped->methods;
  return code;
}

std::size_t number_at(std::span<const std::uint8_t> page, std::size_t place) {
  return (std::size_t{page[place]} << 8U) | page[place + 1];
}

}  // namespace

std::span<std::uint8_t> unused_bytes(std::span<std::uint8_t, page_bytes> page, bool is_first) {
  constexpr std::size_t file_header_bytes = 100;
  const std::size_t header = is_first ? file_header_bytes : 0;
  const auto kind = page[header];
  const bool is_leaf = kind == 10 || kind == 13;
  if (!is_leaf && kind != 2 && kind != 5) return {};
  const auto rows = number_at(page, header + 3);
  const auto begin = header + (is_leaf ? 8 : 12) + 2 * rows;
  const auto end = number_at(page, header + 5);
  if (begin >= end || end > page.size()) return {};
  return page.subspan(begin, end - begin);
}

std::string wiping_vfs(const std::string& base) {
  static std::mutex mutex;
  static std::map<std::string, std::unique_ptr<Layer>> layers;  // SQLite holds on to them
  sqlite3_initialize();
  const std::lock_guard lock{mutex};
  auto& layer = layers[base];
  if (layer) return layer->name;
  auto* const found = sqlite3_vfs_find(base.empty() ? nullptr : base.c_str());
  if (found == nullptr) throw Failure{SQLITE_ERROR, "there is no VFS " + base};
  layer = std::make_unique<Layer>(Layer{.vfs = *found, .base = found, .name = std::string{"wiping-"} + found->zName});
  layer->vfs.zName = layer->name.c_str();
  layer->vfs.pNext = nullptr;
  layer->vfs.szOsFile = aligned(found->szOsFile) + static_cast<int>(sizeof(WipedFile));
  layer->vfs.xOpen = open_wiped;
  sqlite3_vfs_register(&layer->vfs, 0);
  return layer->name;
}

}  // namespace pebbles::store::sqlite
