package main

// paint gives text a colour (ECMA-48 §8.3.117) where out takes colours.
func (t terminal) paint(code, text string) string {
	if !t.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
