#include "base/free_memory.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <string_view>

namespace pebbles {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t much_bytes = 80UL << 20U;
constexpr std::chrono::seconds between{2};

/// 0 when the system does not say.
std::size_t resident_bytes() {
  const int file = ::open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  std::array<char, 128> text{};
  const auto count = ::read(file, text.data(), text.size());
  ::close(file);
  if (count <= 0) return 0;
  const std::string_view all{text.data(), static_cast<std::size_t>(count)};
  const auto second = all.find(' ') + 1;  // the first number is of addresses
  std::size_t pages = 0;
  std::from_chars(all.data() + second, all.data() + all.size(), pages);
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

void release_free_memory() {
  if (resident_bytes() < much_bytes) return;
  // Of mimalloc, where the program is linked with it, or it is preloaded.
  static const auto collect = reinterpret_cast<void (*)(bool)>(::dlsym(RTLD_DEFAULT, "mi_collect"));
  if (collect != nullptr) {
    collect(true);
    return;
  }
  static std::atomic<steady_clock::rep> next{0};
  const auto now = steady_clock::now().time_since_epoch();
  auto due = next.load(std::memory_order_relaxed);
  if (now.count() < due) return;
  if (next.compare_exchange_strong(due, (now + steady_clock::duration{between}).count())) ::malloc_trim(0);
}

}  // namespace pebbles
