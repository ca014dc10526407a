// Package redisstore keeps sessions in Redis, through github.com/redis/rueidis.
package redisstore
