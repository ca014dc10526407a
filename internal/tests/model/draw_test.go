package model_test

import "pgregory.net/rapid"

// rapid's own choices lean to the first of a list, which is good for numbers and bad
// for things to do: some sequences would hardly ever be tried. Coins are fair.

const coins = 10

// upTo draws one of 0 to most, each about equally often.
func upTo(t *rapid.T, label string, most int) int {
	return rapid.Custom(func(t *rapid.T) (n int) {
		for range coins {
			n *= 2
			if rapid.Bool().Draw(t, "") {
				n++
			}
		}
		return n * (most + 1) >> coins
	}).Draw(t, label)
}

func oneOf[T any](t *rapid.T, label string, from []T) T { return from[upTo(t, label, len(from)-1)] }
