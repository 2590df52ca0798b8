"""Events leaving the instance: what they say (`events`), which go where (`routes`), and delivery."""
