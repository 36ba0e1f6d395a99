"""How things are named in text: images, models, addresses of the internet, objects written as YAML."""
