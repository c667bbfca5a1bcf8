# Headers that are parsed once and not by each source. Sources include what they use all the same: clang-tidy
# (script/check) reads them without any of this. Only what most sources of a library use belongs here: reading a large
# precompiled header takes a source longer than parsing the few that it needs.
set(pebbles_common_headers
    <algorithm> <array> <atomic> <chrono> <condition_variable> <cstdint> <deque> <expected> <functional> <map> <memory>
    <mutex> <optional> <span> <string> <string_view> <thread> <unordered_map> <utility> <variant> <vector> <fmt/core.h>)

target_precompile_headers(pebbles_base PRIVATE ${pebbles_common_headers})
foreach(library IN ITEMS domain crypto json telemetry store store_sqlite store_mongo store_measured admission net aws auth
                         ingest retention kafka sqs app)
  target_precompile_headers(pebbles_${library} REUSE_FROM pebbles_base)
endforeach()

target_precompile_headers(
  pebbles_http PRIVATE ${pebbles_common_headers} <boost/asio/awaitable.hpp> <boost/asio/co_spawn.hpp>
                       <boost/asio/io_context.hpp> <boost/asio/ip/tcp.hpp> <boost/asio/post.hpp>
                       <boost/asio/redirect_error.hpp> <boost/asio/steady_timer.hpp> <boost/asio/use_awaitable.hpp>
                       <boost/beast/http/basic_parser.hpp> <boost/intrusive/list.hpp> <boost/url/parse.hpp>)
foreach(library IN ITEMS access rest query monitor docs)
  target_precompile_headers(pebbles_${library} REUSE_FROM pebbles_http)
endforeach()
