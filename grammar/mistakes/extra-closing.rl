train { save } }
