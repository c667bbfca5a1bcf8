#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>

// GCC 12 takes Asio's recycling of coroutine frames for a mismatch of new and delete, wherever a coroutine is inlined.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

namespace pebbles::http {

namespace asio = boost::asio;

/// Everything of one connection runs on one loop's thread; naming the executor spares Asio's type erasure.
using Executor = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<asio::ip::tcp, Executor>;

/// A coroutine of a loop. Parameters are values, or outlive it; in a `co_await` expression name lambdas with captures
/// first, since GCC 12 frees inline ones twice.
template <class T>
using Task = asio::awaitable<T, Executor>;

inline constexpr asio::use_awaitable_t<Executor> use_task{};

}  // namespace pebbles::http
