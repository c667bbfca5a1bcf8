#pragma once
#include <cstdint>

namespace pebbles {

/// 64 bits for names that must not meet by chance; no use as a secret. Threads: any.
[[nodiscard]] std::uint64_t random_bits();

}  // namespace pebbles
