#include "store/sqlite/page_cache.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <new>

namespace pebbles::store::sqlite {
namespace {

using Key = unsigned int;

/// SQLite's own cache. Written once, before SQLite starts.
sqlite3_pcache_methods2 own;

/// What SQLite holds as its `sqlite3_pcache`.
struct Cache {
  sqlite3_pcache* inner = nullptr;
  Key largest = 0;  ///< no page has a larger number, but for the parked one
  Key parked = 0;   ///< a page beyond `largest` that another was moved to; 0: none
};

Cache& of(sqlite3_pcache* cache) { return *reinterpret_cast<Cache*>(cache); }

sqlite3_pcache* create(int page_size, int extra_size, int purgeable) {
  std::unique_ptr<Cache> cache{new (std::nothrow) Cache};  // C calls it: nullptr stands for no memory
  if (!cache) return nullptr;
  cache->inner = own.xCreate(page_size, extra_size, purgeable);
  return cache->inner != nullptr ? reinterpret_cast<sqlite3_pcache*>(cache.release()) : nullptr;
}

void destroy(sqlite3_pcache* cache) {
  const std::unique_ptr<Cache> owner{&of(cache)};
  own.xDestroy(owner->inner);
}

sqlite3_pcache_page* fetch(sqlite3_pcache* cache, Key key, int create_flag) {
  Cache& it = of(cache);
  if (create_flag != 0) it.largest = std::max(it.largest, key);
  return own.xFetch(it.inner, key, create_flag);
}

void rekey(sqlite3_pcache* cache, sqlite3_pcache_page* page, Key from, Key to) {
  Cache& it = of(cache);
  own.xRekey(it.inner, page, from, to);
  if (from == it.parked) it.parked = 0;
  if (to <= it.largest) return;
  if (it.parked == 0)
    it.parked = to;
  else
    it.largest = std::max({it.largest, to, it.parked});
}

void truncate(sqlite3_pcache* cache, Key limit) {
  Cache& it = of(cache);
  if (it.parked >= limit) {
    it.parked = 0;
  } else if (limit > it.largest) {
    return;
  }
  own.xTruncate(it.inner, limit);
  it.largest = std::min(it.largest, limit - 1);
}

void configure() {
  if (sqlite3_config(SQLITE_CONFIG_GETPCACHE2, &own) != SQLITE_OK) return;
  sqlite3_pcache_methods2 layer = own;  // xInit, xShutdown and pArg stay what they are
  layer.xCreate = create;
  layer.xDestroy = destroy;
  layer.xFetch = fetch;
  layer.xRekey = rekey;
  layer.xTruncate = truncate;
  layer.xCachesize = [](sqlite3_pcache* cache, int pages) { own.xCachesize(of(cache).inner, pages); };
  layer.xPagecount = [](sqlite3_pcache* cache) { return own.xPagecount(of(cache).inner); };
  layer.xUnpin = [](sqlite3_pcache* cache, sqlite3_pcache_page* page, int discard) {
    own.xUnpin(of(cache).inner, page, discard);
  };
  layer.xShrink = [](sqlite3_pcache* cache) { own.xShrink(of(cache).inner); };
  sqlite3_config(SQLITE_CONFIG_PCACHE2, &layer);
}

}  // namespace

void spare_page_cache_walks() {
  static std::once_flag once;
  std::call_once(once, configure);
}

}  // namespace pebbles::store::sqlite
